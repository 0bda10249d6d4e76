"""What the true teacher judges: answers as the project asks for them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from annotation.lm.chat import Message
from annotation.lm.loading import PolicySource, load_policy
from annotation.lm.sampler import SamplingParameters, sample_groups
from annotation.models import Project
from annotation.selectors.policies import champion_policy
from rewardmodel.rehearsal.evaluation import answer, judge

QUESTION = [{"role": "user", "content": "Why?"}]


def test_answers_follow_the_projects_limit_and_system_prompt_and_the_teacher_reads_the_question(
    project: Project, tiny_model: Path
) -> None:
    project.policyversions.update(base_model=str(tiny_model))
    project.max_new_tokens, project.system_prompt = 9, "Be brief."
    judged = []

    def teacher(prompt: Sequence[Mapping[str, str]], answer: str) -> float:
        judged.append((prompt, answer))
        return 0.0

    answered = answer(project, champion_policy(project), [QUESTION], 2, seed=5)
    trial = judge(teacher, [QUESTION], answered)
    model, tokenizer = load_policy(PolicySource(str(tiny_model)))
    asked: list[Message] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Why?"},
    ]
    parameters = SamplingParameters(max_new_tokens=9)
    [expected] = sample_groups(model, tokenizer, [asked], 2, parameters, 5)
    assert judged == [(QUESTION, said.text) for said in expected]
    assert trial.scores.shape == (1, 2)
    assert answered.tokens.tolist() == [[len(said.token_ids) for said in expected]]
