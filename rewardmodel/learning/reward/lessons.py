"""The groups of a step as passes read them, and the loss of each: exact however they are split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from rewardmodel.learning.core.group_packing import EncodedGroup, Layout, parts_of
from rewardmodel.learning.reward.model import RewardModel, score_groups
from rewardmodel.learning.reward.preferences import Target, listwise_loss


@dataclass(frozen=True)
class Lesson:
    """A group, or those of its answers that a pass has room for.

    `before` and `after` are the scores of the group's other answers, by the weights of the step.
    """

    group: EncodedGroup
    target: Target
    before: Float[Tensor, " A"]
    after: Float[Tensor, " B"]

    def loss(self, scores: Float[Tensor, " N"]) -> Float[Tensor, ""]:
        """The whole group's loss, as a function of these answers' scores.

        Its gradient by them is the same whether the others' are constants or not (as in arXiv
        2101.06983), so that a group's parts have its gradient together. Each has its own share of
        the value.
        """
        target = self.target
        every = torch.cat([self.before, scores, self.after])
        loss = target.weight * listwise_loss(every, target.shares, target.margins)
        elsewhere = 1 - len(scores) / len(every)
        return loss - elsewhere * loss.detach()


def lessons_of(
    model: RewardModel,
    layout: Layout,
    groups: Sequence[EncodedGroup],
    targets: Sequence[Target],
    pad: int,
    tokens: int,
) -> list[Lesson]:
    """Each group whole or, where rows of `tokens` have no room for it, in parts.

    The answers of a group in parts are scored first, without gradients.
    """
    parts = parts_of(groups, tokens, layout)
    split = sorted({part.group for part in parts if not part.is_whole})
    scores = score_groups(model, layout, [groups[i] for i in split], pad, tokens)
    device = model.network.device
    known = {i: each.to(device) for i, each in zip(split, scores, strict=True)}
    lessons = []
    for part in parts:
        every = known.get(part.group, torch.empty(0, device=device))
        before, after = every[: part.answers.start], every[part.answers.stop :]
        lessons.append(Lesson(part.encoded, targets[part.group], before, after))
    return lessons
