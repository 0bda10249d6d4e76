"""Answers read in as many forward passes as memory asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from rewardmodel.learning.core.distributed import autocast
from rewardmodel.learning.core.group_packing import EncodedGroup, GroupBatch, Layout

Item = TypeVar("Item")
ALONE = 3
"""So many times the tokens of a pass may a group have that is read alone, before it is read in
parts: those cost a reading more. Small passes are the faster ones on a CPU."""


@dataclass(frozen=True)
class Part:
    """Some answers of a group with its prompt: all of them (`is_whole`), unless a pass has no room
    for them. `group` is the place of the group among the others."""

    group: int
    answers: range
    encoded: EncodedGroup
    is_whole: bool


def parts_of(groups: Sequence[EncodedGroup], tokens: int, layout: Layout) -> list[Part]:
    """Each group, or its answers in turn, so many at a time as a row of `tokens` holds.

    At least one at a time.
    """
    parts = []
    for number, group in enumerate(groups):
        start = 0
        for stop in range(1, len(group.answers) + 1):
            more = EncodedGroup(group.prompt, group.answers[start : stop + 1])
            if stop == len(group.answers) or layout.tokens([more]) > tokens:
                fits = EncodedGroup(group.prompt, group.answers[start:stop])
                is_whole = stop - start == len(group.answers)
                parts.append(Part(number, range(start, stop), fits, is_whole))
                start = stop
    return parts


def in_budget(groups: Sequence[EncodedGroup], tokens: int, layout: Layout) -> Iterator[list[int]]:
    """Indices of groups, by length, so many at a time as fill rows of at most `tokens` in all.

    At least one at a time.
    """
    batch: list[int] = []
    for i in sorted(range(len(groups)), key=lambda i: groups[i].tokens):
        if batch and layout.tokens([groups[j] for j in [*batch, i]]) > tokens:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def in_passes(
    layout: Layout, groups: Sequence[EncodedGroup], pad: int, tokens: int, device: torch.device
) -> Iterator[tuple[list[Part], GroupBatch]]:
    """The groups, or parts of those that are beyond a pass, so many at a time as `tokens` bound."""
    parts = parts_of(groups, ALONE * tokens, layout)
    for indices in in_budget([part.encoded for part in parts], tokens, layout):
        chosen = [parts[i] for i in indices]
        yield chosen, layout([part.encoded for part in chosen], pad).to(device)


def read_each(
    read: Callable[[GroupBatch], Sequence[Item]],
    device: torch.device,
    layout: Layout,
    groups: Sequence[EncodedGroup],
    pad: int,
    tokens: int,
    tell: Callable[[int], None] = lambda read: None,
) -> list[list[Item]]:
    """What `read` makes of each answer of each group; it gives an item for each answer of a batch.

    `tokens` bounds one forward pass; `tell` is told after each how many answers have been read.
    """
    found: list[dict[int, Sequence[Item]]] = [{} for _ in groups]
    done = 0
    for chosen, batch in in_passes(layout, groups, pad, tokens, device):
        items = read(batch)
        start = 0
        for part in chosen:
            stop = start + len(part.answers)
            found[part.group][part.answers.start] = items[start:stop]
            start = stop
        done += start
        tell(done)
    return [[item for first in sorted(each) for item in each[first]] for each in found]


@torch.no_grad()
def read_answers(
    read: Callable[[GroupBatch], Tensor],
    device: torch.device,
    layout: Layout,
    groups: Sequence[EncodedGroup],
    pad: int,
    tokens: int,
    tell: Callable[[int], None] = lambda read: None,
    precision: Callable[[torch.device], torch.autocast] = autocast,
) -> list[Tensor]:
    """What `read` makes of each group's K answers, [K, ...] on the CPU; it gives [N, ...]. The
    other arguments are those of `read_each`."""

    def rows(batch: GroupBatch) -> Sequence[Tensor]:
        with precision(device):
            return read(batch).cpu().unbind()

    return [torch.stack(own) for own in read_each(rows, device, layout, groups, pad, tokens, tell)]
