"""K distinct answers a prompt, each with what is needed to sample it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from annotation.lm.chat import Chat, ChatError, Messages
from annotation.lm.completion import Completion
from annotation.lm.loading import is_out_of_memory
from annotation.lm.sampler import ProgressCallback, SamplingParameters, derive_seed, sample_encoded

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

RESAMPLING_ROUNDS = 3


@dataclass(frozen=True)
class AnswerRequest:
    """One prompt, the number of answers wanted, and the seed that they derive from."""

    prompt: Messages
    count: int
    seed: int


@dataclass(frozen=True)
class AnswerFailure:
    """Why one prompt got no group."""

    reason: str


def answer_groups(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    requests: Sequence[AnswerRequest],
    parameters: SamplingParameters,
    progress: ProgressCallback | None = None,
) -> list[list[Completion] | AnswerFailure]:
    """One group for each request, in order; a group that fails does not stop the others.

    Answers that are empty, or equal to another one but for whitespace, are sampled again with
    new seeds, at most 3 times. A batch that does not fit in memory is tried prompt by prompt.
    """
    chat = Chat(tokenizer)
    prompts = [_prompt_ids(chat, request) for request in requests]
    readable = [
        (request, ids)
        for request, ids in zip(requests, prompts, strict=True)
        if not isinstance(ids, AnswerFailure)
    ]
    answered = iter(_answer_readable(model, chat, readable, parameters, progress))
    return [ids if isinstance(ids, AnswerFailure) else next(answered) for ids in prompts]


Readable = tuple[AnswerRequest, list[int]]
"""A request with the tokens of its prompt."""


def _prompt_ids(chat: Chat, request: AnswerRequest) -> list[int] | AnswerFailure:
    try:
        return chat.prompt_ids(request.prompt)
    except ChatError as error:
        return AnswerFailure(str(error))


def _answer_readable(
    model: PreTrainedModel,
    chat: Chat,
    asked: Sequence[Readable],
    parameters: SamplingParameters,
    progress: ProgressCallback | None,
) -> list[list[Completion] | AnswerFailure]:
    try:
        found = _distinct_answers(model, chat, asked, parameters, progress)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    else:
        return [
            _group_or_failure(answers, request)
            for (request, _), answers in zip(asked, found, strict=True)
        ]
    # Only here is what the failed batch held free again.
    if len(asked) == 1:
        return [AnswerFailure("Out of memory while answering; use fewer or shorter answers.")]
    return [_answer_readable(model, chat, [one], parameters, progress)[0] for one in asked]


def _group_or_failure(
    answers: list[Completion], request: AnswerRequest
) -> list[Completion] | AnswerFailure:
    if len(answers) >= min(2, request.count):
        return answers
    kind = "only one distinct answer" if answers else "only empty answers"
    tries = request.count * (1 + RESAMPLING_ROUNDS)
    return AnswerFailure(f"The policy gave {kind} in up to {tries} tries.")


def _distinct_answers(
    model: PreTrainedModel,
    chat: Chat,
    asked: Sequence[Readable],
    parameters: SamplingParameters,
    progress: ProgressCallback | None,
) -> list[list[Completion]]:
    found: list[dict[str, Completion]] = [{} for _ in asked]
    prompts = [ids for _, ids in asked]
    for attempt in range(1 + RESAMPLING_ROUNDS):
        seeds = [
            [derive_seed(request.seed, attempt, k) for k in range(request.count - len(answers))]
            for (request, _), answers in zip(asked, found, strict=True)
        ]
        if not any(seeds):
            break
        sampled = sample_encoded(model, chat, prompts, seeds, parameters, progress)
        for answers, completions in zip(found, sampled, strict=True):
            for completion in completions:
                normalised = " ".join(completion.text.split())
                if normalised:
                    answers.setdefault(normalised, completion)
    return [list(answers.values()) for answers in found]
