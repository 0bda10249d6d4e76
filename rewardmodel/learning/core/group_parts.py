"""The groups of a step as passes read them: whole, or in parts with the loss still exact."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from rewardmodel.learning.core.group_packing import EncodedGroup, GroupBatch, Layout
from rewardmodel.learning.core.passes import ALONE, parts_of, read_answers

Target = TypeVar("Target")


@dataclass(frozen=True)
class GroupPart(Generic[Target]):
    """A group with its target, or those of its answers that a pass has room for.

    `before` and `after` are the scores of the group's other answers, by the weights of the step.
    """

    group: EncodedGroup
    target: Target
    before: Float[Tensor, " A"]
    after: Float[Tensor, " B"]

    def with_the_rest(self, scores: Float[Tensor, " N"]) -> Float[Tensor, " K"]:
        """The scores of all of the group's answers, of which these are this part's."""
        return torch.cat([self.before, scores, self.after])

    @property
    def portion(self) -> float:
        """This part's answers, of all of the group's."""
        answers = len(self.group.answers)
        return answers / (len(self.before) + answers + len(self.after))

    def share_of(self, loss: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """This part's share of the whole group's loss, with all of its gradient.

        The gradient by a part's scores is the same whether the others' are constants or not (as in
        arXiv 2101.06983), so that the parts have the group's gradient together.
        """
        return loss - (1 - self.portion) * loss.detach()


def parts_with_scores(
    read: Callable[[GroupBatch], Tensor],
    device: torch.device,
    layout: Layout,
    groups: Sequence[EncodedGroup],
    targets: Sequence[Target],
    pad: int,
    tokens: int,
) -> list[GroupPart[Target]]:
    """Each group whole or, where rows of `tokens` have no room for it, in parts.

    `read` scores the answers of a batch; those of a group in parts are read first, without
    gradients.
    """
    parts = parts_of(groups, ALONE * tokens, layout)
    split = sorted({part.group for part in parts if not part.is_whole})
    scores = read_answers(read, device, layout, [groups[i] for i in split], pad, tokens)
    known = {i: each.to(device) for i, each in zip(split, scores, strict=True)}
    found = []
    for part in parts:
        every = known.get(part.group, torch.empty(0, device=device))
        before, after = every[: part.answers.start], every[part.answers.stop :]
        found.append(GroupPart(part.encoded, targets[part.group], before, after))
    return found
