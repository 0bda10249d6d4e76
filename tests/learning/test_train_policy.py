import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from annotation.lm.completion import Completion
from annotation.lm.loading import PolicySource, load_policy
from annotation.lm.sampler import SamplingParameters, sample_groups, sample_with_seeds
from rewardmodel.learning.configs import PolicyConfig
from rewardmodel.learning.core.snapshot_rows import PromptRow
from rewardmodel.learning.policy import sampling
from rewardmodel.learning.policy.end_penalty import EndPenalty
from rewardmodel.learning.policy.model import AdaptedPolicy
from rewardmodel.learning.policy.rollout import Rollout
from rewardmodel.learning.reward.scorer import RewardScorer
from tests.learning.conftest import Rows, many_a, user
from tests.learning.runs import failure_of, phases_of, result_of, train_a_policy

Write = Callable[[Rows], Path]


MANY_ANSWERS = {"heldout_answers": 24}
"""To the few held-out prompts, so that the gate can decide."""


@pytest.fixture(scope="module")
def trained(
    tiny: Path, snapshot: Path, reward_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A policy after an update long enough to show."""
    output = tmp_path_factory.mktemp("policy") / "adapter"
    settings = {"steps": 30, "missing_end_penalty": 0, "learning_rate": 0.02, **MANY_ANSWERS}
    assert train_a_policy(output, snapshot, tiny, reward_model, **settings) == 0
    return output


def test_held_out_reward_rises_and_the_gate_opens(trained: Path) -> None:
    result = result_of(trained)
    parent, new = result["metrics"]["parent"], result["metrics"]["new"]
    assert new["reward"] > parent["reward"] + 0.15
    assert parent["kl"] == pytest.approx(0, abs=1e-4)
    assert new["kl"] > 0
    assert result["gate"]["passed"]


def test_each_held_out_answer_has_its_score_and_length(trained: Path) -> None:
    metrics = result_of(trained)["metrics"]
    for name in ("parent", "new"):
        found, means = metrics["answers"][name], metrics[name]
        assert len(found["score"]) == len(found["tokens"]) == means["answers"]
        assert sum(found["score"]) / means["answers"] == pytest.approx(means["score"], abs=1e-3)
        assert sum(found["tokens"]) / means["answers"] == pytest.approx(means["tokens"])


def test_the_trained_adapter_is_a_policy_whose_answers_are_worth_more(
    tiny: Path, trained: Path, reward_model: Path
) -> None:
    parameters = SamplingParameters(max_new_tokens=8)
    prompts = [user("Say something new"), user("Other")]
    scorer = RewardScorer(str(reward_model), torch.device("cpu"))
    means = []
    for source in (PolicySource(str(tiny)), PolicySource(str(tiny), str(trained))):
        groups = sample_groups(*load_policy(source), prompts, 16, parameters, seed=1)
        answers = [[completion.text for completion in group] for group in groups]
        scores = scorer.scores(list(zip(prompts, answers, strict=True)), tokens=512)
        means.append(torch.cat(scores).mean().item())
    assert means[1] > means[0] + 0.15


def test_samples_show_each_answer_before_and_after(trained: Path) -> None:
    samples = result_of(trained)["samples"]
    assert len(samples) == 6
    assert set(samples[0]) == {"prompt", "before", "after", "score_before", "score_after"}


def test_progress_names_every_phase(trained: Path) -> None:
    assert phases_of(trained) == ["loading", "sampling", "training", "evaluating", "saving"]


def test_held_out_prompts_are_answered_only_to_evaluate(
    tiny: Path,
    snapshot: Path,
    reward_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered: list[set[str]] = []
    answer = AdaptedPolicy.rollouts

    def rollouts(self: AdaptedPolicy, prompts: Sequence[Any], *rest: Any) -> list[Rollout]:
        answered.append({prompt[-1]["content"] for prompt in prompts})
        return answer(self, prompts, *rest)

    monkeypatch.setattr(AdaptedPolicy, "rollouts", rollouts)
    assert train_a_policy(tmp_path / "adapter", snapshot, tiny, reward_model, steps=9) == 0
    *training, before, after = answered
    heldout = {row["prompt"][0]["content"] for row in many_a() if row["split"] == "heldout"}
    assert before == after == heldout
    assert len(training) == 9
    assert not set.union(*training) & heldout


def test_a_child_starts_from_its_parents_adapter(
    tiny: Path, snapshot: Path, reward_model: Path, trained: Path, tmp_path: Path
) -> None:
    output = tmp_path / "child"
    settings = {"adapter": trained, "steps": 1, "missing_end_penalty": 0, **MANY_ANSWERS}
    assert train_a_policy(output, snapshot, tiny, reward_model, **settings) == 0
    child, parent = result_of(output)["metrics"]["parent"], result_of(trained)["metrics"]["new"]
    assert child["reward"] == pytest.approx(parent["reward"], abs=1e-4)
    assert child["kl"] == pytest.approx(parent["kl"], abs=1e-3)


def test_an_answer_without_end_costs_what_a_missing_end_costs_now(
    tiny: Path, reward_model: Path
) -> None:
    config = PolicyConfig(
        snapshot="", base_model=str(tiny), output="", reward_model=str(reward_model)
    )
    policy = AdaptedPolicy(config, torch.device("cpu"), [PromptRow("1", user("Hi"), "train")])
    policy.end_penalty.now = 0.75
    [rollout] = policy.rollouts([user("Hi")], [[1, 2, 3, 4, 5, 6, 7, 8]])
    taken = rollout.scores - rollout.rewards
    assert torch.allclose(taken, 0.75 * (1 - rollout.ended))


def test_what_ends_is_counted_of_the_base_model_also_where_a_parent_ends_otherwise(
    tiny: Path, reward_model: Path, trained: Path
) -> None:
    given: dict[str, Any] = {"snapshot": "", "output": "", "max_new_tokens": 12}
    given |= {"base_model": str(tiny)}
    config = PolicyConfig(**given, reward_model=str(reward_model))
    rows, seeds = [PromptRow("1", user("Hi"), "train")], [list(range(32))]
    child = AdaptedPolicy(replace(config, adapter=str(trained)), torch.device("cpu"), rows)
    base = AdaptedPolicy(config, torch.device("cpu"), rows)
    [answered] = base.rollouts([user("Hi")], seeds)
    assert child.sampler.base_endings([user("Hi")], seeds) == answered.ended.bool().tolist()


def test_what_the_base_model_says_to_a_held_out_prompt_is_sampled_once(
    tiny: Path, snapshot: Path, reward_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its ends are counted before the update, the first check asks it, and so does the end."""
    sampled: Counter[tuple[int, ...]] = Counter()

    def sample(*given: Any) -> list[list[Completion]]:
        sampled.update(map(tuple, given[3]))
        return sample_with_seeds(*given)

    monkeypatch.setattr(sampling, "sample_with_seeds", sample)
    assert train_a_policy(tmp_path / "out", snapshot, tiny, reward_model, steps=1) == 0
    heldout = [seeds for seeds in sampled if len(seeds) == 4 and sampled[seeds] > 1]
    assert len(heldout) == 6
    assert {sampled[seeds] for seeds in heldout} == {2}  # by the parent, and by the new policy


def test_a_missing_end_costs_nothing_while_answers_end_as_often_as_before() -> None:
    penalty = EndPenalty(most=1.0)
    penalty.begin(0.3)
    for ended in (0.3, 0.35, 0.3, 0.5):
        penalty.follow(ended)
    assert penalty.now == 0


def test_a_missing_end_costs_more_the_longer_fewer_answers_end_and_never_more_than_allowed() -> (
    None
):
    penalty, costs = EndPenalty(most=1.0), []
    penalty.begin(0.5)
    for ended in (0.5, 0.3, 0.3, 0.3, 0.1, 0.1, 0.1):
        penalty.follow(ended)
        costs.append(penalty.now)
    assert costs == sorted(costs)
    assert (costs[0], costs[-1]) == (0, 1.0)
    for _ in range(9):
        penalty.follow(0.9)
    assert penalty.now == 0


def test_the_cost_of_a_missing_end_is_resumed() -> None:
    penalty, resumed = EndPenalty(1.0), EndPenalty(1.0)
    penalty.begin(0.5)
    for ended in (0.5, 0.3):
        penalty.follow(ended)
    resumed.restore(penalty.state())
    for each in (penalty, resumed):
        each.follow(0.4)
    assert resumed.now == pytest.approx(penalty.now)


def test_without_held_out_prompts_the_gate_stays_shut(
    tiny: Path, reward_model: Path, tmp_path: Path, write_rows: Write
) -> None:
    output = tmp_path / "adapter"
    rows = [{"id": "1", "lang": "en", "prompt": user("Hi"), "split": "train"}]
    assert train_a_policy(output, write_rows(rows), tiny, reward_model, steps=1) == 0
    assert result_of(output)["gate"]["reason"] == "No held-out prompt to judge by: add prompts."


def test_without_training_prompts_it_fails(
    tiny: Path, reward_model: Path, tmp_path: Path, write_rows: Write
) -> None:
    output = tmp_path / "adapter"
    rows = [{"id": "1", "lang": "en", "prompt": user("Hi"), "split": "heldout"}]
    assert train_a_policy(output, write_rows(rows), tiny, reward_model) == 1
    assert "No prompt to train on" in failure_of(output)


@pytest.mark.parametrize("field", ["reward_model", "adapter"])
def test_a_missing_folder_is_named(
    tiny: Path, snapshot: Path, reward_model: Path, tmp_path: Path, field: str
) -> None:
    output = tmp_path / "output"
    folders = {"reward_model": reward_model, field: "/nowhere/folder"}
    assert train_a_policy(output, snapshot, tiny, **folders) == 1  # type: ignore[arg-type]
    assert "/nowhere/folder" in failure_of(output)


def test_a_whole_model_is_no_adapter(
    tiny: Path, snapshot: Path, reward_model: Path, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    assert train_a_policy(output, snapshot, tiny, reward_model, adapter=tiny) == 1
    assert failure_of(output) == (
        f"The folder {tiny} holds no adapter: it has no adapter_config.json."
    )


def test_prompts_that_lose_their_start_are_counted(
    tiny: Path, snapshot: Path, reward_model: Path, tmp_path: Path
) -> None:
    rows = snapshot.read_text().splitlines()
    long = {
        **json.loads(rows[0]),
        "id": "long",
        "prompt": [{"role": "user", "content": "x" * 2000}],
    }
    (tmp_path / "prompts.jsonl").write_text("\n".join([*rows, json.dumps(long)]))
    output = tmp_path / "output"
    assert train_a_policy(output, tmp_path / "prompts.jsonl", tiny, reward_model, steps=1) == 0
    assert result_of(output)["metrics"]["shortened"] == 1


def test_a_second_reward_model_judges_the_held_out_answers_too(
    tiny: Path, snapshot: Path, reward_model: Path, tmp_path: Path
) -> None:
    output = tmp_path / "adapter"
    settings = {"steps": 1, "heldout_reward_model": reward_model}
    assert train_a_policy(output, snapshot, tiny, reward_model, **settings) == 0
    metrics = result_of(output)["metrics"]
    second = metrics["second_reward_model"]
    for name in ("parent", "new"):
        assert second[name] == pytest.approx(metrics[name]["score"], abs=1e-3)
