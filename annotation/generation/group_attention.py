"""Attention for prompt groups: answers read their prompt's keys in place, not a copy for each.

Registered with transformers under IMPLEMENTATION; for anything but a group it is `sdpa`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

IMPLEMENTATION = "prompt_groups"
GROWTH = 64
UNUSED_MASK = torch.ones(1, 1, 1, 1, dtype=torch.bool)
"""Has four dimensions, so that transformers hands it on and makes none of its own."""
Packing = list[tuple[int, int, list[int]]]
"""Of each packed row, the lengths of its prompt, of the padding after it, and of its answers."""

REFUSALS = (RuntimeError, ValueError, TypeError, IndexError, AttributeError)


@dataclass
class SharedPrompts:
    """The cache of G prompts, and to which of them each row that is being decoded belongs.

    keys, values [G, heads, P, size] a layer; bias [G, 1, 1, P], 0 or minus infinity at padding.
    owner [rows], ascending: the prompt of each row.
    """

    keys: list[Tensor]
    values: list[Tensor]
    bias: Tensor
    owner: Tensor
    places: Tensor = field(init=False)
    width: int = field(init=False)

    def __post_init__(self) -> None:
        self._place()

    @classmethod
    def of(cls, cache: DynamicCache, mask: Tensor, owner: Tensor) -> SharedPrompts:
        """Of a prefill; `mask` [G, P] is false at padding."""
        keys = [cast(Tensor, layer.keys) for layer in cache.layers]  # type: ignore[union-attr]
        values = [cast(Tensor, layer.values) for layer in cache.layers]  # type: ignore[union-attr]
        bias = torch.zeros(mask.shape, dtype=keys[0].dtype, device=mask.device)
        bias.masked_fill_(~mask, float("-inf"))
        return cls(keys, values, bias[:, None, None], owner)

    def keep(self, rows: Tensor) -> None:
        """Only these rows go on; a prompt without any is dropped."""
        owner = self.owner[rows]
        prompts, self.owner = torch.unique(owner, return_inverse=True)
        if len(prompts) < len(self.bias):
            self.keys = [keys[prompts] for keys in self.keys]
            self.values = [values[prompts] for values in self.values]
            self.bias = self.bias[prompts]
        self._place()

    def _place(self) -> None:
        """Gives each row a place in a [G, width] table of rows by prompt."""
        counts = torch.bincount(self.owner)
        self.width = int(counts.max())
        first = counts.cumsum(0) - counts
        rank = torch.arange(len(self.owner), device=self.owner.device) - first[self.owner]
        self.places = self.owner * self.width + rank

    def attend(
        self, layer: int, query: Tensor, keys: Tensor, values: Tensor, scale: float
    ) -> Tensor:
        """Attention of each row's new token to its prompt and to its answer so far.

        query [rows, heads, 1, size]; keys and values [rows, key heads, answer so far, size].
        Returns [rows, 1, heads, size]. The two parts are joined by their normalisers.
        """
        rows, heads, _, size = query.shape
        key_heads = keys.shape[1]
        query = query.view(rows, key_heads, -1, size) * scale
        prompts, each = len(self.bias), query.shape[2]

        table = query.new_zeros(prompts * self.width, key_heads, each, size)
        table[self.places] = query
        by_prompt = table.view(prompts, self.width, key_heads, each, size).transpose(1, 2)
        by_prompt = by_prompt.reshape(prompts, key_heads, self.width * each, size)
        scores = by_prompt @ self.keys[layer].transpose(-1, -2) + self.bias
        read, norm = _attend(scores, self.values[layer])
        read = read.view(prompts, key_heads, self.width, each, -1).transpose(1, 2).flatten(0, 1)
        norm = norm.view(prompts, key_heads, self.width, each, 1).transpose(1, 2).flatten(0, 1)

        own, own_norm = _attend(query @ keys.transpose(-1, -2), values)
        share = torch.sigmoid(own_norm - norm[self.places]).to(own.dtype)
        return torch.lerp(read[self.places], own, share).view(rows, 1, heads, -1)


def _attend(scores: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """What is read of the values, and the log of the softmax's normaliser [..., 1]."""
    scores = scores.float()
    highest = scores.amax(-1, keepdim=True)
    weights = (scores - highest).exp_()
    total = weights.sum(-1, keepdim=True)
    return (weights.to(values.dtype) @ values) / total.to(values.dtype), highest + total.log()


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
    `shared_prompts` this is the `sdpa` of transformers.
    """
    if shared_prompts is not None:
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        layer = cast(int, module.layer_idx)
        return shared_prompts.attend(layer, query, key, value, scale), None
    if packed is None or kwargs.get("softcap") is not None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **kwargs
        )
    rows = zip(
        torch.split(query, 1), torch.split(key, 1), torch.split(value, 1), packed, strict=True
    )
    read = [_packed_row(q, k, v, *lengths, scaling) for q, k, v, lengths in rows]
    return torch.cat(read).transpose(1, 2).contiguous(), None


def _packed_row(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    prompt: int,
    gap: int,
    answers: list[int],
    scale: float | None,
) -> Tensor:
    """One row [1, heads, L, size] of these lengths; padding gets 0.

    The prompt attends causally; each answer to the prompt, and to itself causally.
    """
    sections = [prompt, gap, *answers, query.shape[2] - prompt - gap - sum(answers)]
    # Split, not sliced: the gradient of a slice is as large as what it was cut from.
    queries, keys, values = (torch.split(states, sections, 2) for states in (query, key, value))
    read = partial(
        scaled_dot_product_attention, scale=scale, enable_gqa=query.shape[1] != key.shape[1]
    )
    parts = [read(queries[0], keys[0], values[0], is_causal=True), torch.zeros_like(queries[1])]
    for own, length in enumerate(answers, start=2):
        seen = torch.ones(length, prompt + length, dtype=torch.bool, device=query.device)
        own_keys = torch.cat([keys[0], keys[own]], dim=2)
        own_values = torch.cat([values[0], values[own]], dim=2)
        parts.append(read(queries[own], own_keys, own_values, attn_mask=seen.tril(prompt)))
    return torch.cat([*parts, torch.zeros_like(queries[-1])], dim=2)


AttentionInterface.register(IMPLEMENTATION, group_attention)
AttentionMaskInterface.register(IMPLEMENTATION, sdpa_mask)
