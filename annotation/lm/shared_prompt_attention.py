"""Attention for prompt groups: answers read their prompt's keys in place, not a copy for each.

Registered with transformers under IMPLEMENTATION; for anything but a group it is `sdpa`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from annotation.lm.packed_attention import Packing, read_packed

IMPLEMENTATION = "prompt_groups"
KNOWN = frozenset(
    {
        *("dropout", "position_ids", "use_cache", "logits_to_keep", "cache_position"),
        *("output_attentions", "output_hidden_states", "output_router_logits", "sliding_window"),
    }
)
"""What attention functions are given that changes nothing here: no dropout is on, and rows are no
longer than a sliding window (annotation.lm.context)."""
GROWTH = 64
UNUSED_MASK = torch.ones(1, 1, 1, 1, dtype=torch.bool)
"""Has four dimensions, so that transformers hands it on and makes none of its own."""


@dataclass
class SharedPrompts:
    """The cache of G prompts, and to which of them each row that is being decoded belongs.

    keys, values [G, key heads, P, size] a layer. bias [G, 1, 1, P], 0 or minus infinity at
    padding; None without padding. owner [rows], ascending: the prompt of each row.
    """

    keys: list[Tensor]
    values: list[Tensor]
    bias: Tensor | None
    owner: Tensor

    def __post_init__(self) -> None:
        self._place()

    @classmethod
    def of(cls, cache: DynamicCache, mask: Tensor, owner: Tensor) -> SharedPrompts:
        """Of a prefill; `mask` [G, P] is false at padding."""
        keys = [cast(Tensor, layer.keys) for layer in cache.layers]  # type: ignore[union-attr]
        values = [cast(Tensor, layer.values) for layer in cache.layers]  # type: ignore[union-attr]
        if mask.all():
            return cls(keys, values, None, owner)
        bias = torch.zeros(mask.shape, dtype=keys[0].dtype, device=mask.device)
        bias.masked_fill_(~mask, float("-inf"))
        return cls(keys, values, bias[:, None, None], owner)

    def keep(self, rows: Tensor) -> None:
        """Only these rows go on; a prompt without any is dropped."""
        owner = self.owner[rows]
        prompts, self.owner = torch.unique(owner, return_inverse=True)
        if len(prompts) < len(self.keys[0]):
            self.keys = [keys[prompts] for keys in self.keys]
            self.values = [values[prompts] for values in self.values]
            self.bias = None if self.bias is None else self.bias[prompts]
        self._place()

    def _place(self) -> None:
        """Gives each row a place in a [G, width] table of rows by prompt; None: it fills it."""
        counts = torch.bincount(self.owner)
        self.width = int(counts.max())
        first = counts.cumsum(0) - counts
        rank = torch.arange(len(self.owner), device=self.owner.device) - first[self.owner]
        is_full = len(self.owner) == len(counts) * self.width
        self.places = None if is_full else self.owner * self.width + rank

    def _by_prompt(self, rows: Tensor) -> Tensor:
        """[rows, key heads, n, m] as [G, key heads, width n, m], with zeros at free places."""
        if self.places is not None:
            table = rows.new_zeros(len(self.keys[0]) * self.width, *rows.shape[1:])
            rows = table.index_copy_(0, self.places, rows)
        return rows.reshape(-1, self.width, *rows.shape[1:]).transpose(1, 2).flatten(2, 3)

    def _by_row(self, grouped: Tensor) -> Tensor:
        """The inverse of `_by_prompt`."""
        prompts, heads, _, length = grouped.shape
        rows = grouped.reshape(prompts, heads, self.width, -1, length).transpose(1, 2).flatten(0, 1)
        return rows if self.places is None else rows[self.places]

    def attend(
        self, layer: int, query: Tensor, keys: Tensor, values: Tensor, scale: float
    ) -> Tensor:
        """Attention of each row's new token to its prompt and to its answer so far.

        query [rows, heads, 1, size]; keys and values [rows, key heads, answer so far, size].
        Returns [rows, 1, heads, size]. One product a prompt serves all of its rows.
        """
        rows, heads, _, size = query.shape
        query = query.reshape(rows, keys.shape[1], -1, size) * scale
        scores = self._by_prompt(query) @ self.keys[layer].transpose(-1, -2)
        if self.bias is not None:
            scores += self.bias
        scores = torch.cat([self._by_row(scores), query @ keys.transpose(-1, -2)], dim=-1)
        weights = scores.softmax(-1, dtype=torch.float32).to(values.dtype)
        own = keys.shape[2]
        of_prompt, of_answer = torch.split(weights, [weights.shape[-1] - own, own], -1)
        read = self._by_row(self._by_prompt(of_prompt) @ self.values[layer])
        return (read + of_answer @ values).reshape(rows, 1, heads, -1)


class GrowingLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """Keys and values of the answers so far, in buffers with room for GROWTH more tokens."""

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._buffers = [key_states[:, :, :0], value_states[:, :, :0]]
            self._length = 0
        length = self._length + key_states.shape[-2]
        if length > self._buffers[0].shape[2]:
            self._buffers = [self._grown(buffer, length + GROWTH) for buffer in self._buffers]
        for buffer, new in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:, :, self._length : length] = new
        self._length = length
        self.keys, self.values = (buffer[:, :, :length] for buffer in self._buffers)
        return self.keys, self.values

    def _grown(self, old: Tensor, room: int) -> Tensor:
        rows, heads, _, size = old.shape
        buffer = old.new_empty(rows, heads, room, size)
        buffer[:, :, : self._length] = old[:, :, : self._length]
        return buffer

    def batch_select_indices(self, indices: Tensor) -> None:
        self._buffers = [buffer[indices] for buffer in self._buffers]
        self.keys, self.values = (buffer[:, :, : self._length] for buffer in self._buffers)


def answer_cache() -> Cache:
    return Cache(layer_class_to_replicate=GrowingLayer)


def group_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float | None = None,
    shared_prompts: SharedPrompts | None = None,
    packed: Packing | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention over [B, heads, L, size]; returns [B, L, heads, size].

    `packed` says where the prompt and the answers of each row are; without it and without
    `shared_prompts` this is the `sdpa` of transformers. Raises ValueError for whatever else a model
    hands to its attention, such as attention sinks: what is not known here is not left out.
    """
    unknown = sorted(n for n, value in kwargs.items() if value is not None and n not in KNOWN)
    if unknown:
        raise ValueError(f"its attention takes {', '.join(unknown)}")
    if shared_prompts is not None:
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        layer = cast(int, module.layer_idx)
        return shared_prompts.attend(layer, query, key, value, scale), None
    if packed is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **kwargs
        )
    read = read_packed((query, key, value), packed, scaling)
    return read.transpose(1, 2).contiguous(), None


def use_group_attention(model: PreTrainedModel) -> None:
    """For models that passed a comparison with their own attention."""
    if model.config._attn_implementation != IMPLEMENTATION:
        model.set_attn_implementation(IMPLEMENTATION)


@contextmanager
def group_attention_on(model: PreTrainedModel) -> Iterator[None]:
    """The model with this attention; with its own again afterwards, whatever happens."""
    before = model.config._attn_implementation
    try:
        use_group_attention(model)
        yield
    finally:
        model.set_attn_implementation(before)


AttentionInterface.register(IMPLEMENTATION, group_attention)
AttentionMaskInterface.register(IMPLEMENTATION, sdpa_mask)
