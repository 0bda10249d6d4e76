"""Attention over packed prompt groups: three ways that give the same, and which one is used.

On the CPU it is the one in parts, which is fastest there (bench/attention.py). On a GPU the three
are timed on the first rows of each size that come, and the fastest reads all others of that size.
No GPU has run this yet: what it would choose there, and gain, is unmeasured.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.attention.bias import causal_lower_right
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from torch.nn.functional import scaled_dot_product_attention

logger = logging.getLogger(__name__)

CPU = torch.device("cpu")
REFUSALS = (RuntimeError, ValueError, TypeError, IndexError, AttributeError)
ROUNDS = 5
SHORT = 256
"""Rows of fewer tokens are not worth the time that compiling and measuring takes."""


@dataclass(frozen=True)
class Packing:
    """Of each packed row, the lengths of its prompt, of the padding after it, and of its answers.

    `device` is where masks are made when they are asked for.
    """

    rows: list[tuple[int, int, list[int]]]
    device: torch.device = CPU

    def to(self, device: torch.device) -> Packing:
        return Packing(self.rows, device)

    @property
    def length(self) -> int:
        return max(prompt + gap + sum(answers) for prompt, gap, answers in self.rows)

    @cached_property
    def owners(self) -> Tensor:
        """[B, L]: 0 in the prompt, the answer's number in an answer, -1 in padding."""
        owners = torch.full((len(self.rows), self.length), -1, dtype=torch.int32)
        for row, (prompt, gap, answers) in zip(owners, self.rows, strict=True):
            row[:prompt] = 0
            start = prompt + gap
            for number, length in enumerate(answers, start=1):
                row[start : start + length] = number
                start += length
        return owners.to(self.device)

    def sees(self, row: Tensor, reader: Tensor, read: Tensor) -> Tensor:
        """Which positions read which: causally, the prompt's and those of the same owner."""
        owner = self.owners[row, read]
        return (read <= reader) & ((owner == 0) | (owner == self.owners[row, reader]))

    @cached_property
    def mask(self) -> Tensor:
        """[B, 1, L, L] bool."""
        rows = torch.arange(len(self.rows), device=self.device)[:, None, None]
        places = torch.arange(self.length, device=self.device)
        return self.sees(rows, places[:, None], places)[:, None]

    @cached_property
    def block_mask(self) -> BlockMask:
        def rule(row: Tensor, _head: Tensor, reader: Tensor, read: Tensor) -> Tensor:
            return self.sees(row, reader, read)

        size = (len(self.rows), None, self.length, self.length)
        return create_block_mask(rule, *size, device=str(self.device))


States = tuple[Tensor, Tensor, Tensor]
"""Query [B, heads, L, size], key and value [B, key heads, L, size]."""
Reading = Callable[[States, Packing, float | None], Tensor]
"""What the queries read, [B, heads, L, size], with a scale; padding gets anything but NaN."""


def in_parts(states: States, packing: Packing, scale: float | None) -> Tensor:
    """A call for each prompt and for each answer: nothing is computed only to be masked."""
    query, key, value = (torch.split(each, 1) for each in states)
    rows = zip(query, key, value, packing.rows, strict=True)
    return torch.cat([_row((q, k, v), *lengths, scale) for q, k, v, lengths in rows])


def _row(states: States, prompt: int, gap: int, answers: list[int], scale: float | None) -> Tensor:
    """One row [1, heads, L, size]; padding gets 0."""
    query, key, _ = states
    sections = [prompt, gap, *answers, query.shape[2] - prompt - gap - sum(answers)]
    # Split, not sliced: the gradient of a slice is as large as what it was cut from.
    queries, keys, values = (torch.split(each, sections, 2) for each in states)
    read = partial(
        scaled_dot_product_attention, scale=scale, enable_gqa=query.shape[1] != key.shape[1]
    )
    parts = [read(queries[0], keys[0], values[0], is_causal=True), torch.zeros_like(queries[1])]
    for own, length in enumerate(answers, start=2):
        own_keys = torch.cat([keys[0], keys[own]], dim=2)
        own_values = torch.cat([values[0], values[own]], dim=2)
        mask: Tensor
        if query.is_cuda:  # has kernels for a mask that need not be written out
            mask = causal_lower_right(length, prompt + length)
        else:
            mask = torch.ones(length, prompt + length, dtype=torch.bool).tril(prompt)
        parts.append(read(queries[own], own_keys, own_values, attn_mask=mask))
    return torch.cat([*parts, torch.zeros_like(queries[-1])], dim=2)


def by_mask(states: States, packing: Packing, scale: float | None) -> Tensor:
    """One call, with a mask of the row's length squared."""
    query, key, value = states
    shared = query.shape[1] // key.shape[1]
    if query.is_cuda and shared > 1:  # its kernels for masks want a key for each head
        key, value = (each.repeat_interleave(shared, 1) for each in (key, value))
    gqa = query.shape[1] != key.shape[1]
    return scaled_dot_product_attention(
        query, key, value, attn_mask=packing.mask, scale=scale, enable_gqa=gqa
    )


def by_flex_attention(states: States, packing: Packing, scale: float | None) -> Tensor:
    """A kernel compiled for this mask (arXiv 2412.05496), which skips the blocks masked whole."""
    query, key, value = states
    gqa = query.shape[1] != key.shape[1]
    attend: Any = _compiled_flex() if query.is_cuda else flex_attention
    read = attend(query, key, value, block_mask=packing.block_mask, scale=scale, enable_gqa=gqa)
    return cast(Tensor, read)


@cache
def _compiled_flex() -> Callable[..., Any]:
    return torch.compile(flex_attention, dynamic=True)


READINGS: Mapping[str, Reading] = {
    "mask": by_mask,
    "in parts": in_parts,
    "FlexAttention": by_flex_attention,
}


class Fastest:
    """A Reading, by the way that is fastest for rows of about the same size.

    `ways` are those that this machine has not refused yet.
    """

    def __init__(self, ways: Mapping[str, Reading]) -> None:
        self.ways = dict(ways)
        self._taken: dict[tuple[Any, ...], Reading] = {}

    def __call__(self, states: States, packing: Packing, scale: float | None) -> Tensor:
        query, key, _ = states
        rows, heads, length, width = query.shape
        gradients = torch.is_grad_enabled()
        size = (rows, heads, key.shape[1], length.bit_length(), width, query.dtype, gradients)
        if size not in self._taken:
            self._taken[size] = self._measure(states, packing, scale)
        return self._taken[size](states, packing, scale)

    def _measure(self, states: States, packing: Packing, scale: float | None) -> Reading:
        """The fastest on these states, forward and, where gradients are wanted, backward.

        One that does not run, or that gives other than the first one does, is left out for good,
        unless it only wants for memory.
        """
        query, key, value = (s.detach().requires_grad_(torch.is_grad_enabled()) for s in states)
        inputs = (query, key, value)
        expected: list[Tensor] = []
        seconds: dict[str, float] = {}
        # Hooks of their own, so that gradient checkpointing takes no note of what is only timed.
        with saved_tensors_hooks(lambda tensor: tensor, lambda tensor: tensor):
            for name, way in list(self.ways.items()):
                run = partial(_run, way, inputs, packing, scale)
                try:
                    found = run()
                    expected = expected or found
                    if not _agree(found, expected):
                        raise RuntimeError("it gives something else")
                    seconds[name] = min(_seconds(run, query.device) for _ in range(ROUNDS))
                except (*REFUSALS, AssertionError, ImportError, OSError) as error:
                    logger.warning("No attention by way of %s: %s", name, error)
                    if not isinstance(error, torch.OutOfMemoryError):
                        del self.ways[name]
        times = ", ".join(f"{name} {1000 * each:.3g} ms" for name, each in seconds.items())
        logger.info("Attention over rows of %d tokens: %s.", packing.length, times)
        return self.ways[min(seconds, key=lambda name: seconds[name])] if seconds else in_parts


def read_packed(states: States, packing: Packing, scale: float | None) -> Tensor:
    """A Reading, by the way that is fastest on this device."""
    query, key, value = states
    if not query.is_cuda:
        return in_parts(states, packing, scale)
    if torch.is_autocast_enabled("cuda"):  # rotary positions leave query and key in float32
        dtype = torch.get_autocast_dtype("cuda")
        states = query.to(dtype), key.to(dtype), value.to(dtype)
    if packing.length < SHORT:
        return by_mask(states, packing, scale)
    return _fastest_on_gpu(states, packing, scale)


_fastest_on_gpu = Fastest(READINGS)


def _run(reading: Reading, inputs: States, packing: Packing, scale: float | None) -> list[Tensor]:
    """What it gives, padding apart, and the gradients if any."""
    read = reading(inputs, packing, scale)
    read = read * (packing.owners >= 0)[:, None, :, None]
    if not read.requires_grad:
        return [read]
    return [read, *torch.autograd.grad(read.float().square().sum(), inputs)]


def _agree(found: Sequence[Tensor], expected: Sequence[Tensor]) -> bool:
    """To 1e-4 of the largest value in float32, to 5e-2 in shorter floats."""
    tolerance = 1e-4 if expected[0].dtype == torch.float32 else 5e-2
    return all(  # not so for NaN
        bool((ours - theirs).abs().max() <= tolerance * theirs.abs().max())
        for ours, theirs in zip(found, expected, strict=True)
    )


def _seconds(run: Callable[[], object], device: torch.device) -> float:
    _finish(device)
    began = time.perf_counter()
    run()
    _finish(device)
    return time.perf_counter() - began


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
