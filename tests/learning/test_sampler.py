import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from annotation.lm import sampler
from annotation.lm.chat import Chat
from annotation.lm.loading import PolicyUnavailable
from annotation.lm.sampler import SamplingParameters, sample_groups, sample_with_seeds
from tests.learning.conftest import user

Policy = tuple[PreTrainedModel, PreTrainedTokenizerBase]
PROMPTS = [user("Hi"), user("A longer question, is it not?"), user("Third")]


def test_greedy_answers_equal_those_of_generate(policy: Policy) -> None:
    model, tokenizer = policy
    parameters = SamplingParameters(max_new_tokens=20, temperature=0)
    groups = sample_groups(model, tokenizer, PROMPTS, 2, parameters, seed=1)
    for prompt, group in zip(PROMPTS, groups, strict=True):
        ids = torch.tensor([Chat(tokenizer).prompt_ids(prompt)])
        expected = model.generate(  # type: ignore[operator]
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=20, do_sample=False
        )[0, ids.shape[1] :]
        assert [list(completion.token_ids) for completion in group] == [expected.tolist()] * 2


def test_the_same_seed_gives_the_same_answers(policy: Policy) -> None:
    parameters = SamplingParameters(max_new_tokens=20)
    first, second = (sample_groups(*policy, PROMPTS, 3, parameters, seed=5) for _ in range(2))
    assert first == second


def test_answers_start_differently(policy: Policy) -> None:
    parameters = SamplingParameters(max_new_tokens=3)
    groups = sample_groups(*policy, PROMPTS, 12, parameters, seed=5)
    starts = {completion.token_ids[0] for group in groups for completion in group}
    assert len(starts) > 8


def test_an_answer_does_not_depend_on_its_batch(policy: Policy) -> None:
    parameters = SamplingParameters(max_new_tokens=30)
    together = sample_groups(*policy, PROMPTS, 4, parameters, seed=9)
    for prompt, group in zip(PROMPTS, together, strict=True):
        alone = [sample_with_seeds(*policy, [prompt], [[c.seed]], parameters)[0][0] for c in group]
        assert alone == group


def test_answers_that_have_ended_leave_the_batch(policy: Policy) -> None:
    model, tokenizer = policy
    rows: list[int] = []
    with counting(model, rows):
        [group] = sample_groups(
            model, tokenizer, [user("Hi")], 16, SamplingParameters(max_new_tokens=150), seed=2
        )
    lengths = [len(completion.token_ids) for completion in group]
    assert len(set(lengths)) > 2
    going = [sum(length > step for length in lengths) for step in range(1, max(lengths))]
    assert rows[-len(going) :] == going


def test_prompts_of_like_length_share_a_batch(
    policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order given a batch of two would hold a short prompt and a long one."""
    monkeypatch.setattr(sampler, "ROWS_PER_BATCH", 2)
    prompts = [user(text) for text in ("a" * 60, "b", "c" * 60, "d")]
    widths: list[int] = []
    with counting(policy[0], widths, axis=1):
        sample_groups(*policy, prompts, 1, SamplingParameters(max_new_tokens=2), seed=1)
    short, long = (len(Chat(policy[1]).prompt_ids(prompt)) for prompt in (prompts[1], prompts[0]))
    assert widths[-4:] == [short, 1, long, 1]


@contextmanager
def counting(model: PreTrainedModel, sizes: list[int], axis: int = 0) -> Iterator[None]:
    """Notes how many rows, or columns, of tokens each forward pass reads."""

    def note(_module: object, inputs: tuple[torch.Tensor, ...]) -> None:
        sizes.append(inputs[0].shape[axis])

    hook = model.register_forward_pre_hook(note)
    try:
        yield
    finally:
        hook.remove()


def test_an_answer_stops_at_its_first_end_token(policy: Policy) -> None:
    parameters = SamplingParameters(max_new_tokens=150)
    end = Chat(policy[1]).end_of_turn
    [group] = sample_groups(*policy, [user("Hi")], 16, parameters, seed=2)
    assert {completion.finish_reason for completion in group} == {"stop", "length"}
    for completion in group:
        if completion.finish_reason == "stop":
            assert completion.token_ids.index(end) == len(completion.token_ids) - 1
        else:
            assert end not in completion.token_ids
            assert len(completion.token_ids) == 150


def test_any_end_token_of_the_generation_config_stops(policy: Policy) -> None:
    model, tokenizer = policy
    assert model.generation_config is not None
    model.generation_config.eos_token_id = list(range(3, 200))
    [group] = sample_groups(
        model, tokenizer, [user("Hi")], 8, SamplingParameters(max_new_tokens=40), seed=2
    )
    assert {completion.finish_reason for completion in group} == {"stop"}


def test_a_prompt_without_room_for_the_answer_loses_its_start(
    policy: Policy, caplog: pytest.LogCaptureFixture
) -> None:
    parameters = SamplingParameters(max_new_tokens=12)
    with caplog.at_level(logging.WARNING):
        [group] = sample_groups(*policy, [user("x" * 700)], 2, parameters, seed=1)
    assert len(group) == 2
    assert "1 of 1 prompts lost their start" in caplog.text


def test_answers_longer_than_the_model_can_read_are_refused_in_a_sentence(policy: Policy) -> None:
    parameters = SamplingParameters(max_new_tokens=100_000)
    with pytest.raises(PolicyUnavailable, match="give fewer"):
        sample_groups(*policy, PROMPTS, 2, parameters, seed=1)


def test_progress_counts_finished_answers(policy: Policy) -> None:
    seen: list[tuple[int, int]] = []
    sample_groups(
        *policy, PROMPTS, 2, SamplingParameters(max_new_tokens=9), 1, lambda *at: seen.append(at)
    )
    assert seen[-1][1] == 6
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"max_new_tokens": 1, "temperature": -1}, "temperature"),
        ({"max_new_tokens": 1, "top_p": 0}, "top_p"),
    ],
)
def test_parameters_without_sense_are_refused(values: dict[str, float], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        SamplingParameters(**values)  # type: ignore[arg-type]
