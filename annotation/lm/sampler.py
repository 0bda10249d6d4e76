"""Samples K answers a prompt: each prompt is read once, for all K answers."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from annotation.lm.chat import Chat, Messages
from annotation.lm.completion import Completion
from annotation.lm.context import context_of
from annotation.lm.decoding import Decoder, Way, require_numbers, way_to_decode
from annotation.lm.loading import PolicyUnavailable
from annotation.lm.shared_prompt_attention import use_group_attention
from annotation.lm.token_choice import choose_tokens, noise_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

logger = logging.getLogger(__name__)

# Bounds of one batch. More rows give more tokens a second up to about this many on a CPU; the
# tokens bound the key-value cache, about 0.4 GiB with a 135M model.
ROWS_PER_BATCH = 64
TOKENS_PER_BATCH = 8192

ProgressCallback = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class SamplingParameters:
    """How answers are drawn. Temperature 0 takes the likeliest token each time, `top_k` 0 leaves
    all of them in."""

    max_new_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens is {self.max_new_tokens}; give 1 or more.")
        if self.temperature < 0:
            raise ValueError(f"temperature is {self.temperature}; give 0 or more.")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is {self.top_p}; give a number above 0, at most 1.")
        if self.top_k < 0:
            raise ValueError(f"top_k is {self.top_k}; give 0 or more.")


def derive_seed(seed: int, *path: int) -> int:
    """A seed for one part of a job, independent of all others of the same `seed`."""
    digest = hashlib.sha256(repr((seed, *path)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1  # fits a signed 64-bit database column


def sample_groups(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Messages],
    count: int,
    parameters: SamplingParameters,
    seed: int,
    progress: ProgressCallback | None = None,
) -> list[list[Completion]]:
    """`count` answers to each prompt, the same ones for the same seed.

    `progress` is called after each token with (finished answers, all answers).
    """
    seeds = [[derive_seed(seed, g, k) for k in range(count)] for g in range(len(prompts))]
    return sample_with_seeds(model, tokenizer, prompts, seeds, parameters, progress)


def sample_with_seeds(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Messages],
    seeds: Sequence[Sequence[int]],
    parameters: SamplingParameters,
    progress: ProgressCallback | None = None,
) -> list[list[Completion]]:
    """`sample_encoded` of the prompts' tokens. Raises ChatError."""
    chat = Chat(tokenizer)
    encoded = [chat.prompt_ids(messages) for messages in prompts]
    return sample_encoded(model, chat, encoded, seeds, parameters, progress)


@torch.inference_mode()
def sample_encoded(
    model: PreTrainedModel,
    chat: Chat,
    prompts: Sequence[Sequence[int]],
    seeds: Sequence[Sequence[int]],
    parameters: SamplingParameters,
    progress: ProgressCallback | None = None,
) -> list[list[Completion]]:
    """One answer to the tokens `prompts[i]` for each of `seeds[i]`.

    An answer depends on its prompt and its own seed, not on what else is in the batch. Prompts
    that leave no room for the answer in the model's context lose their start, with one log line.
    """
    limit = prompt_limit(model, parameters.max_new_tokens)
    shortened = sum(len(ids) > limit for ids in prompts)
    if shortened:
        logger.warning("%d of %d prompts lost their start: too long", shortened, len(prompts))
    encoded = [list(ids[-limit:]) for ids in prompts]
    answers: list[list[Completion]] = [[] for _ in prompts]
    total, done = sum(map(len, seeds)), 0
    was_training = model.training
    model.train(False)
    try:
        longest = max(map(len, encoded), default=0) + parameters.max_new_tokens
        way = way_to_decode(model, longest)
        if way.shares:
            use_group_attention(model)
        for batch in _batches(encoded, seeds, parameters.max_new_tokens, way):
            sampler = _Batch(
                model, chat, [encoded[i] for i in batch], [seeds[i] for i in batch], way
            )
            for finished in sampler.run(parameters):
                if progress is not None:
                    progress(done + finished, total)
            for i, completions in zip(batch, sampler.completions(), strict=True):
                answers[i] = completions
                done += len(completions)
    finally:
        model.train(was_training)
    return answers


def prompt_limit(model: PreTrainedModel, max_new_tokens: int) -> int:
    """The most prompt tokens that leave room for an answer in the model's context.

    Raises PolicyUnavailable when there is no room.
    """
    context = context_of(model)
    if context is None:
        return 2**31
    if context <= max_new_tokens:
        raise PolicyUnavailable(
            f"max_new_tokens is {max_new_tokens}, but the model reads {context} tokens in all; "
            "give fewer."
        )
    return context - max_new_tokens


def stop_ids(model: PreTrainedModel, chat: Chat) -> list[int]:
    """Every token that ends an answer: the template's and those of the generation config."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    if configured is None:
        configured = []
    elif isinstance(configured, int):
        configured = [configured]
    return sorted({chat.end_of_turn, *configured})


def _batches(
    prompts: list[list[int]], seeds: Sequence[Sequence[int]], max_new_tokens: int, way: Way
) -> Iterator[list[int]]:
    """Indices of prompts, by length, so many at a time as the bounds allow; at least one."""
    batch: list[int] = []
    rows = 0
    for i in sorted(range(len(prompts)), key=lambda i: len(prompts[i])):
        if not seeds[i]:
            continue
        more = rows + len(seeds[i])
        copies = len(batch) + 1 if way.shares else more
        tokens = copies * len(prompts[i]) + more * max_new_tokens
        mixed = bool(batch) and len(prompts[batch[0]]) != len(prompts[i])
        too_many = more > ROWS_PER_BATCH or tokens > TOKENS_PER_BATCH
        if batch and (too_many or (mixed and not way.mixes_lengths)):
            yield batch
            batch, more = [], len(seeds[i])
        batch.append(i)
        rows = more
    if batch:
        yield batch


class _Batch:
    """Some prompts with their rows, one row a seed, decoded together."""

    def __init__(
        self,
        model: PreTrainedModel,
        chat: Chat,
        prompts: list[list[int]],
        seeds: list[Sequence[int]],
        way: Way,
    ) -> None:
        self.chat, self.seeds, self.device = chat, seeds, model.device
        self.ends = torch.tensor(stop_ids(model, chat), device=self.device)
        owner = [g for g, group in enumerate(seeds) for _ in group]
        self.tokens: list[list[int]] = [[] for _ in owner]
        self.stopped = [False] * len(owner)
        self.generators = [
            torch.Generator(self.device).manual_seed(seed) for group in seeds for seed in group
        ]
        owners = torch.tensor(owner, device=self.device)
        self.decoder: Decoder = way.decoder(model, prompts, owners, chat.pad)
        require_numbers(self.decoder.logits)

    def run(self, parameters: SamplingParameters) -> Iterator[int]:
        """Decodes; yields the number of finished rows after each token."""
        decoder = self.decoder
        logits = decoder.logits
        live = torch.arange(len(self.tokens), device=self.device)
        for step in range(parameters.max_new_tokens):
            generators = [self.generators[row] for row in live.tolist()]
            noise = noise_of(generators, logits.shape[-1])
            chosen = choose_tokens(
                logits, noise, parameters.temperature, parameters.top_p, parameters.top_k
            )
            going = ~torch.isin(chosen, self.ends)
            for row, token, goes in zip(
                live.tolist(), chosen.tolist(), going.tolist(), strict=True
            ):
                self.tokens[row].append(token)
                self.stopped[row] = not goes
            yield sum(self.stopped)
            if step + 1 == parameters.max_new_tokens or not going.any():
                return
            if not going.all():
                keep = going.nonzero().flatten()
                decoder.keep(keep)
                live, chosen = live[keep], chosen[keep]
            logits = decoder.read(chosen)

    def completions(self) -> list[list[Completion]]:
        """What was decoded, one list a prompt, one completion a seed."""
        rows = iter(zip(self.tokens, self.stopped, strict=True))
        return [
            [
                Completion(
                    text=self.chat.answer_text(tokens[:-1] if stopped else tokens),
                    token_ids=tuple(tokens),
                    finish_reason="stop" if stopped else "length",
                    seed=seed,
                )
                for seed, (tokens, stopped) in zip(group, rows, strict=False)
            ]
            for group in self.seeds
        ]
