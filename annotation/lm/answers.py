"""K distinct answers a prompt, each with what is needed to sample it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from annotation.lm.chat import Chat, ChatError, Messages
from annotation.lm.loading import is_out_of_memory
from annotation.lm.sampler import (
    ProgressCallback,
    SamplingParameters,
    derive_seed,
    sample_with_seeds,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

RESAMPLING_ROUNDS = 3


class AnswersUnavailable(Exception):
    """No group of answers could be made; the text is one sentence that says why."""


@dataclass(frozen=True)
class AnswerRequest:
    """One prompt, the number of answers wanted, and the seed that they derive from."""

    prompt: Messages
    count: int
    seed: int


@dataclass(frozen=True)
class Answer:
    """A distinct, non-empty answer; `seed` alone samples it again for the same prompt."""

    text: str
    seed: int
    finish_reason: Literal["stop", "length"]
    token_count: int


@dataclass(frozen=True)
class AnswerFailure:
    """Why one prompt got no group."""

    reason: str


def answer_group(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    request: AnswerRequest,
    parameters: SamplingParameters,
    progress: ProgressCallback | None = None,
) -> list[Answer]:
    """At least 2 and at most `request.count` answers. Raises AnswersUnavailable."""
    [group] = answer_groups(model, tokenizer, [request], parameters, progress)
    if isinstance(group, AnswerFailure):
        raise AnswersUnavailable(group.reason)
    return group


def answer_groups(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    requests: Sequence[AnswerRequest],
    parameters: SamplingParameters,
    progress: ProgressCallback | None = None,
) -> list[list[Answer] | AnswerFailure]:
    """One group for each request, in order; a group that fails does not stop the others.

    Answers that are empty, or equal to another one but for whitespace, are sampled again with
    new seeds, at most 3 times. A batch that does not fit in memory is tried prompt by prompt.
    """
    if not requests:
        return []
    failures = _unrenderable(tokenizer, requests)
    sampled = [i for i in range(len(requests)) if i not in failures]
    try:
        found = _distinct_answers(
            model, tokenizer, [requests[i] for i in sampled], parameters, progress
        )
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if len(requests) == 1:
            return [AnswerFailure("Out of memory while answering; use fewer or shorter answers.")]
        return [
            answer_groups(model, tokenizer, [request], parameters, progress)[0]
            for request in requests
        ]
    groups: list[list[Answer] | AnswerFailure] = []
    by_index = dict(zip(sampled, found, strict=True))
    for i, request in enumerate(requests):
        groups.append(failures[i] if i in failures else _group_or_failure(by_index[i], request))
    return groups


def _group_or_failure(
    answers: list[Answer], request: AnswerRequest
) -> list[Answer] | AnswerFailure:
    if len(answers) >= 2:
        return answers
    kind = "only one distinct answer" if answers else "only empty answers"
    tries = request.count * (1 + RESAMPLING_ROUNDS)
    return AnswerFailure(f"The policy gave {kind} in up to {tries} tries.")


def _unrenderable(
    tokenizer: PreTrainedTokenizerBase, requests: Sequence[AnswerRequest]
) -> dict[int, AnswerFailure]:
    chat = Chat(tokenizer)
    failures = {}
    for i, request in enumerate(requests):
        try:
            chat.prompt_ids(request.prompt)
        except ChatError as error:
            failures[i] = AnswerFailure(str(error))
    return failures


def _distinct_answers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    requests: list[AnswerRequest],
    parameters: SamplingParameters,
    progress: ProgressCallback | None,
) -> list[list[Answer]]:
    found: list[dict[str, Answer]] = [{} for _ in requests]
    prompts = [request.prompt for request in requests]
    for attempt in range(1 + RESAMPLING_ROUNDS):
        seeds = [
            [derive_seed(request.seed, attempt, k) for k in range(request.count - len(answers))]
            for request, answers in zip(requests, found, strict=True)
        ]
        if not any(seeds):
            break
        sampled = sample_with_seeds(model, tokenizer, prompts, seeds, parameters, progress)
        for answers, completions in zip(found, sampled, strict=True):
            for completion in completions:
                normalised = " ".join(completion.text.split())
                if normalised:
                    answers.setdefault(
                        normalised,
                        Answer(
                            text=completion.text,
                            seed=completion.seed,
                            finish_reason=completion.finish_reason,
                            token_count=len(completion.token_ids),
                        ),
                    )
    return [list(answers.values()) for answers in found]
