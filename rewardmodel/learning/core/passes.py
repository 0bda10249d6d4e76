"""Answers read in as many forward passes as memory asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from rewardmodel.learning.core.distributed import autocast
from rewardmodel.learning.core.group_packing import (
    ALONE,
    EncodedGroup,
    GroupBatch,
    Layout,
    Part,
    in_budget,
    parts_of,
)


def in_passes(
    layout: Layout, groups: Sequence[EncodedGroup], pad: int, tokens: int, device: torch.device
) -> Iterator[tuple[list[Part], GroupBatch]]:
    """The groups, or parts of those that are beyond a pass, so many at a time as `tokens` bound."""
    parts = parts_of(groups, ALONE * tokens, layout)
    for indices in in_budget([part.encoded for part in parts], tokens, layout):
        chosen = [parts[i] for i in indices]
        yield chosen, layout([part.encoded for part in chosen], pad).to(device)


@torch.no_grad()
def read_answers(
    read: Callable[[GroupBatch], Tensor],
    device: torch.device,
    layout: Layout,
    groups: Sequence[EncodedGroup],
    pad: int,
    tokens: int,
    tell: Callable[[int], None] = lambda read: None,
) -> list[Tensor]:
    """What `read` makes of each group's K answers, [K, ...] on the CPU; it gives [N, ...].

    `tokens` bounds one forward pass; `tell` is told after each how many answers have been read.
    """
    found: list[dict[int, Tensor]] = [{} for _ in groups]
    done = 0
    for chosen, batch in in_passes(layout, groups, pad, tokens, device):
        with autocast(device):
            flat = read(batch).cpu()
        sizes = [len(part.answers) for part in chosen]
        for part, own in zip(chosen, torch.split(flat, sizes), strict=True):
            found[part.group][part.answers.start] = own
        done += len(flat)
        tell(done)
    return [torch.cat([own for _, own in sorted(each.items())]) for each in found]
