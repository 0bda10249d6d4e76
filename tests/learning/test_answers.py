from typing import Any

import pytest
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from annotation.lm.answers import AnswerFailure, AnswerRequest, answer_groups
from annotation.lm.chat import Chat, Messages
from annotation.lm.completion import Completion
from annotation.lm.sampler import SamplingParameters, sample_with_seeds
from tests.learning.conftest import user

Policy = tuple[PreTrainedModel, PreTrainedTokenizerBase]
PARAMETERS = SamplingParameters(max_new_tokens=12)
GREEDY = SamplingParameters(max_new_tokens=12, temperature=0)


def group_of(
    policy: Policy, count: int, seed: int, parameters: SamplingParameters = PARAMETERS
) -> list[Completion]:
    [group] = answer_groups(*policy, [AnswerRequest(user("Hi"), count, seed)], parameters)
    assert not isinstance(group, AnswerFailure), group.reason
    return group


def reason_of(policy: Policy, parameters: SamplingParameters = PARAMETERS) -> str:
    [failure] = answer_groups(*policy, [AnswerRequest(user("Hi"), 3, seed=1)], parameters)
    assert isinstance(failure, AnswerFailure)
    return failure.reason


def test_a_group_has_the_wanted_number_of_distinct_answers(policy: Policy) -> None:
    answers = group_of(policy, 5, seed=3)
    assert len({" ".join(answer.text.split()) for answer in answers}) == 5


def test_each_request_gets_its_own_count(policy: Policy) -> None:
    requests = [AnswerRequest(user("Hi"), 2, seed=1), AnswerRequest(user("Ho"), 9, seed=2)]
    groups = answer_groups(*policy, requests, PARAMETERS)
    assert [len(group) for group in groups if not isinstance(group, AnswerFailure)] == [2, 9]


def test_an_answers_seed_samples_it_again(policy: Policy) -> None:
    answers = group_of(policy, 4, seed=3)
    for answer in answers:
        [[again]] = sample_with_seeds(*policy, [user("Hi")], [[answer.seed]], PARAMETERS)
        assert again == answer


def test_duplicates_are_sampled_again(policy: Policy) -> None:
    one_token = SamplingParameters(max_new_tokens=1, top_p=0.3)
    first_try = sample_with_seeds(*policy, [user("Hi")], [list(range(9))], one_token)[0]
    answers = group_of(policy, 9, 0, one_token)
    assert len({completion.text for completion in first_try}) < 9
    assert len({answer.text for answer in answers}) == len(answers)


def test_a_policy_with_one_answer_only_fails_with_the_reason(policy: Policy) -> None:
    assert "only one distinct answer" in reason_of(policy, GREEDY)


def test_a_policy_that_says_nothing_fails_with_the_reason(policy: Policy) -> None:
    model, tokenizer = policy
    assert model.generation_config is not None
    model.generation_config.eos_token_id = list(range(len(tokenizer)))
    assert "only empty answers" in reason_of(policy)


def test_a_prompt_that_the_template_refuses_fails_alone(policy: Policy) -> None:
    model, tokenizer = policy
    tokenizer.chat_template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system role') }}{% endif %}"
        f"{tokenizer.chat_template}"
    )
    requests = [
        AnswerRequest([{"role": "system", "content": "Be kind"}], 2, seed=1),
        AnswerRequest(user("Hi"), 2, seed=1),
    ]
    refused, answered = answer_groups(model, tokenizer, requests, PARAMETERS)
    assert isinstance(refused, AnswerFailure)
    assert "No system role" in refused.reason
    assert isinstance(answered, list)


def test_a_prompt_is_rendered_once_however_often_it_is_sampled(
    policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[str] = []
    prompt_ids = Chat.prompt_ids

    def noted(chat: Chat, messages: Messages, limit: int | None = None) -> list[int]:
        rendered.append(messages[0]["content"])
        return prompt_ids(chat, messages, limit)

    monkeypatch.setattr(Chat, "prompt_ids", noted)
    requests = [AnswerRequest(user(text), 3, seed=1) for text in ("Hi", "Ho")]
    answer_groups(*policy, requests, GREEDY)
    assert rendered == ["Hi", "Ho"]


def test_a_batch_beyond_memory_is_answered_prompt_by_prompt(
    policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    _limit_rows(policy[0], 3, monkeypatch)
    requests = [AnswerRequest(user(text), 3, seed=1) for text in ("Hi", "Ho")]
    groups = answer_groups(*policy, requests, PARAMETERS)
    assert all(isinstance(group, list) for group in groups)


def test_a_group_beyond_memory_fails_with_the_reason(
    policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    _limit_rows(policy[0], 3, monkeypatch)
    requests = [AnswerRequest(user("Hi"), 9, seed=1), AnswerRequest(user("Ho"), 2, seed=1)]
    failed, answered = answer_groups(*policy, requests, PARAMETERS)
    assert isinstance(failed, AnswerFailure)
    assert "Out of memory" in failed.reason
    assert isinstance(answered, list)


def _limit_rows(model: PreTrainedModel, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the model fail as the allocator does when a batch has more rows."""
    forward = model.forward

    def limited(input_ids: Any, **rest: Any) -> Any:
        if len(input_ids) > rows:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return forward(input_ids, **rest)

    monkeypatch.setattr(model, "forward", limited)
