"""Reads prompts once, then answers token by token: rows of several prompts in one batch."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from transformers import PreTrainedModel

from annotation.lm.packed_attention import REFUSALS
from annotation.lm.shared_prompt_attention import (
    UNUSED_MASK,
    SharedPrompts,
    answer_cache,
    group_attention_on,
)

logger = logging.getLogger(__name__)

_shares: WeakKeyDictionary[PreTrainedModel, bool] = WeakKeyDictionary()


class Decoder(Protocol):
    """Prompts that were read, and their rows, one an answer, in the order of the prompts.

    logits [rows, vocabulary]: of each row's first token.
    """

    logits: Tensor

    def keep(self, rows: Tensor) -> None:
        """Only these rows go on."""

    def read(self, tokens: Tensor) -> Tensor:
        """The logits [rows, vocabulary] after one more token of each row [rows]."""


class SharedDecoder:
    """All rows of a prompt read its keys and values where they are."""

    def __init__(
        self, model: PreTrainedModel, prompts: Sequence[list[int]], owner: Tensor, pad: int
    ) -> None:
        """owner [rows], ascending: the prompt of each row."""
        self.model = model
        ids, mask = _padded(prompts, pad, model.device, side="right")
        # Padding on the right is seen by no prompt token under plain causal attention.
        last = _last_of(mask)
        output = model(ids, use_cache=True, logits_to_keep=last)
        self.shared = SharedPrompts.of(output.past_key_values, mask, owner)
        self.answers = answer_cache()
        self.positions = mask.sum(1)[owner]
        self.logits = logits_at(output.logits, last)[owner]

    def keep(self, rows: Tensor) -> None:
        self.shared.keep(rows)
        if self.answers.layers:
            self.answers.batch_select_indices(rows)
        self.positions = self.positions[rows]

    def read(self, tokens: Tensor) -> Tensor:
        output = self.model(
            tokens[:, None],
            attention_mask=UNUSED_MASK,
            position_ids=self.positions[:, None],
            past_key_values=self.answers,
            use_cache=True,
            shared_prompts=self.shared,
        )
        self.positions = self.positions + 1
        logits: Tensor = output.logits[:, -1]
        return logits


class RepeatedDecoder:
    """Each row has a copy of its prompt's cache: for any model that transformers can cache."""

    def __init__(
        self, model: PreTrainedModel, prompts: Sequence[list[int]], owner: Tensor, pad: int
    ) -> None:
        """owner [rows], ascending: the prompt of each row."""
        self.model = model
        ids, mask = _padded(prompts, pad, model.device, side="left")
        positions = (mask.long().cumsum(1) - 1).clamp(min=0)
        output = model(
            ids,
            attention_mask=mask.long(),
            position_ids=positions,
            use_cache=True,
            logits_to_keep=1,
        )
        self.cache = output.past_key_values
        self.cache.batch_select_indices(owner)
        self.mask, self.positions = mask.long()[owner], positions[owner, -1] + 1
        self.logits = output.logits[owner, -1]

    def keep(self, rows: Tensor) -> None:
        self.cache.batch_select_indices(rows)
        self.mask, self.positions = self.mask[rows], self.positions[rows]

    def read(self, tokens: Tensor) -> Tensor:
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(tokens), 1)], dim=1)
        output = self.model(
            tokens[:, None],
            attention_mask=self.mask,
            position_ids=self.positions[:, None],
            past_key_values=self.cache,
            use_cache=True,
        )
        self.positions = self.positions + 1
        logits: Tensor = output.logits[:, -1]
        return logits


def logits_at(logits: Tensor, where: Tensor) -> Tensor:
    """The logits [N, vocabulary] at the N true positions of `where` [B, L].

    Most models were told to give just these (logits_to_keep); some give all of them.
    """
    return logits[where] if logits.dim() == 3 else logits


def context_of(model: PreTrainedModel) -> int | None:
    """How many tokens the model can read in all; None: any number."""
    return getattr(model.config.get_text_config(), "max_position_embeddings", None)


def within_context(model: PreTrainedModel, tokens: int, setting: str = "") -> int:
    """At most as many tokens as the model can read; a setting that asks for more is told so."""
    context = context_of(model)
    if context is None or tokens <= context:
        return tokens
    if setting:
        logger.warning("%s is %d; the model reads %d, which is used.", setting, tokens, context)
    return context


def window_of(model: PreTrainedModel) -> int | None:
    """How far back the model's sliding layers see, in tokens; None: all the way."""
    return getattr(model.config.get_text_config(), "sliding_window", None)


def can_share_prompts(model: PreTrainedModel, longest: int) -> bool:
    """Whether SharedDecoder with the attention for groups answers as RepeatedDecoder does with the
    model's own, for rows of up to `longest` tokens.

    Compared once a model, which has its own attention again afterwards.
    """
    window = window_of(model)
    if window is not None and window < longest:
        return False
    if model not in _shares:
        _shares[model] = _agrees(model)
    return _shares[model]


@torch.no_grad()
def _agrees(model: PreTrainedModel) -> bool:
    vocabulary = int(model.config.get_text_config().vocab_size)
    generator = torch.Generator().manual_seed(0)
    prompts, tokens = (
        [torch.randint(vocabulary, (n,), generator=generator).tolist() for n in lengths]
        for lengths in ((11, 5), (3, 3))
    )
    owner = torch.tensor([0, 0, 1], device=model.device)
    try:
        read = torch.tensor(tokens, device=model.device)
        repeated = _some_logits(RepeatedDecoder(model, prompts, owner, 0), read)
        with group_attention_on(model):
            shared = _some_logits(SharedDecoder(model, prompts, owner, 0), read)
        tolerance = 1e-4 if model.dtype == torch.float32 else 3e-2
        difference = (shared - repeated).abs().max() / repeated.abs().max()
        if difference <= tolerance:
            return True
        logger.warning("Prompts are copied for each answer: sharing differs by %.2g.", difference)
    except REFUSALS as error:
        logger.warning("Prompts are copied for each answer: the model refuses (%s).", error)
    return False


def _some_logits(decoder: Decoder, tokens: Tensor) -> Tensor:
    """After two tokens, of which the second is read by the last two rows only."""
    found = [decoder.logits, decoder.read(tokens[0])]
    rows = torch.tensor([1, 2], device=tokens.device)
    decoder.keep(rows)
    found.append(decoder.read(tokens[1][rows]))
    return torch.cat(found)


def _padded(
    prompts: Sequence[list[int]], pad: int, device: torch.device, side: Any
) -> tuple[Tensor, Tensor]:
    """Ids [G, longest] and a mask that is false at the padding, which is on that side."""
    rows = [torch.tensor(prompt) for prompt in prompts]
    masks = [torch.ones(len(prompt), dtype=torch.bool) for prompt in prompts]
    ids = torch.nn.utils.rnn.pad_sequence(rows, True, pad, side)
    mask = torch.nn.utils.rnn.pad_sequence(masks, True, False, side)
    return ids.to(device), mask.to(device)


def _last_of(mask: Tensor) -> Tensor:
    """True at the last true position of each row; the padding is on the right."""
    places = torch.arange(mask.shape[1], device=mask.device)
    return places == mask.sum(1, keepdim=True) - 1
