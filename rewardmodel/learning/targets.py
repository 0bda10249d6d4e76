"""What a group's labelers said, as the tensors that its loss is taken against."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rewardmodel.learning.configs import RewardConfig
from rewardmodel.learning.data import GroupRow
from rewardmodel.learning.losses import (
    listwise_loss,
    preference_shares,
    rating_margins,
    smoothed,
)


@dataclass(frozen=True)
class Target:
    """`shares` and `margins` [K, K], see losses.py; `weight` of the group among the groups."""

    shares: Tensor
    margins: Tensor
    weight: float

    def loss(self, scores: Tensor) -> Tensor:
        """The group's share of the batch's loss, a scalar; `scores` [K]."""
        return self.weight * listwise_loss(scores, self.shares, self.margins)


def target_of(row: GroupRow, config: RewardConfig, device: torch.device) -> Target:
    """From the rankings that count.

    A group weighs as much as its labelers do in the mean, each counted by weight: the sum of w^2
    over the sum of w. It is w with one labeler, and one of hardly any weight changes hardly
    anything.
    """
    ranks = [ranking.ranks for ranking in row.counted]
    ratings = [ranking.ratings for ranking in row.counted]
    weights = [ranking.weight for ranking in row.counted]
    shares = smoothed(preference_shares(ranks, weights), config.label_smoothing)
    margins = rating_margins(ranks, ratings, config.rating_margin, weights)
    weight = sum(w * w for w in weights) / sum(weights)
    return Target(shares.to(device), margins.to(device), weight)
