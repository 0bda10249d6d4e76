"""Reads prompts once, then answers token by token: rows of several prompts in one batch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from transformers import PreTrainedModel

from annotation.lm.context import require_causality, window_of
from annotation.lm.loading import PolicyUnavailable, brief
from annotation.lm.packed_attention import REFUSALS
from annotation.lm.shared_prompt_attention import (
    UNUSED_MASK,
    SharedPrompts,
    answer_cache,
    group_attention_on,
)

logger = logging.getLogger(__name__)

_found: WeakKeyDictionary[PreTrainedModel, dict[str, str | None]] = WeakKeyDictionary()
"""Of each model, what speaks against each way that was tried."""


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
    """Each row has a copy of its prompt's cache. Prompts of other lengths are padded on the left,
    where not every model leaves padding out."""

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
        self.cache.reorder_cache(owner)
        self.mask, self.positions = mask.long()[owner], positions[owner, -1] + 1
        self.logits = output.logits[owner, -1]

    def keep(self, rows: Tensor) -> None:
        self.cache.reorder_cache(rows)
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


class RereadingDecoder:
    """Each row is read again from its start for each token: for models whose cache is of no use."""

    def __init__(
        self, model: PreTrainedModel, prompts: Sequence[list[int]], owner: Tensor, pad: int
    ) -> None:
        """owner [rows], ascending: the prompt of each row."""
        self.model, self.pad = model, pad
        self.rows = [list(prompts[prompt]) for prompt in owner.tolist()]
        self.logits = self._read(self.rows)

    def keep(self, rows: Tensor) -> None:
        self.rows = [self.rows[row] for row in rows.tolist()]

    def read(self, tokens: Tensor) -> Tensor:
        for row, token in zip(self.rows, tokens.tolist(), strict=True):
            row.append(token)
        return self._read(self.rows)

    def _read(self, rows: list[list[int]]) -> Tensor:
        ids, mask = _padded(rows, self.pad, self.model.device, side="right")
        last = _last_of(mask)
        return logits_at(self.model(ids, use_cache=False, logits_to_keep=last).logits, last)


class PlainDecoder(RereadingDecoder):
    """One row at a time, without padding: what the others are compared with."""

    def _read(self, rows: list[list[int]]) -> Tensor:
        return torch.cat([super(PlainDecoder, self)._read([row]) for row in rows])


def require_numbers(logits: Tensor) -> None:
    """Raises PolicyUnavailable for NaN."""
    if logits.isnan().any():
        raise PolicyUnavailable("The model gives no numbers (NaN): its weights are broken.")


def logits_at(logits: Tensor, where: Tensor) -> Tensor:
    """The logits [N, vocabulary] at the N true positions of `where` [B, L].

    Most models were told to give just these (logits_to_keep); some give all of them.
    """
    return logits[where] if logits.dim() == 3 else logits


@dataclass(frozen=True)
class Way:
    """How rows can be decoded: whether those of a prompt share its cache, whether prompts of other
    lengths may be in the batch, and how far logits may be off, as a share of the largest."""

    decoder: Callable[..., Decoder]
    shares: bool = False
    mixes_lengths: bool = True
    tolerance: float = 1e-3


SHARED = Way(SharedDecoder, shares=True, tolerance=1e-4)
WAYS = {
    "sharing prompts": SHARED,
    "copying prompts for each answer": Way(RepeatedDecoder),
    "copying prompts of one length at a time": Way(RepeatedDecoder, mixes_lengths=False),
    "reading all again for each token": Way(RereadingDecoder),
}
"""From the fastest to the slowest."""


def way_to_decode(model: PreTrainedModel, longest: int) -> Way:
    """The fastest that gives the logits of the model's plain forward pass, for rows of up to
    `longest` tokens.

    Compared once a model, which has its own attention again afterwards; what is given up is logged.
    Raises PolicyUnavailable when no way does.
    """
    if model not in _found:
        require_causality(model)
        _found[model] = {}
    found = _found[model]
    window = window_of(model)
    for name, way in WAYS.items():
        if way.shares and window is not None and window < longest:
            continue
        if name not in found:
            found[name] = _objection(model, way)
            if found[name]:
                logger.warning("No decoding by %s: %s.", name, found[name])
        if not found[name]:
            return way
    raise PolicyUnavailable(f"A {type(model).__name__} cannot be sampled from: {found[name]}.")


def can_share_prompts(model: PreTrainedModel, longest: int) -> bool:
    """Whether all rows of a prompt can read its cache in place, see `way_to_decode`."""
    return way_to_decode(model, longest).shares


@torch.no_grad()
def _objection(model: PreTrainedModel, way: Way) -> str | None:
    """Why the model cannot be decoded in this way, if so: by a few random rows."""
    vocabulary = int(model.config.get_text_config().vocab_size)
    generator = torch.Generator().manual_seed(0)
    lengths = (11, 5) if way.mixes_lengths else (11, 11)
    prompts, tokens = (
        [torch.randint(vocabulary, (n,), generator=generator).tolist() for n in each]
        for each in (lengths, (3, 3))
    )
    owner = torch.tensor([0, 0, 1], device=model.device)
    read = torch.tensor(tokens, device=model.device)
    try:
        expected = _some_logits(PlainDecoder(model, prompts, owner, 0), read)
        with group_attention_on(model) if way.shares else nullcontext():
            found = _some_logits(way.decoder(model, prompts, owner, 0), read)
    except REFUSALS as error:
        return f"the model refuses ({brief(error)})"
    require_numbers(expected)
    tolerance = way.tolerance if model.dtype == torch.float32 else 3e-2
    difference = (found - expected).abs().max() / expected.abs().max()
    return None if difference <= tolerance else f"it differs by {difference:.2g}"


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
