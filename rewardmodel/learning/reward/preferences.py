"""What a group's labelers said, as the tensors that losses and metrics are taken against."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from rewardmodel.learning.configs import RewardConfig
from rewardmodel.learning.core.snapshot_rows import GroupRow

Ranks = Sequence[int | None]


@dataclass(frozen=True)
class PreferenceTarget:
    """From `preference_shares` and `rating_margins`; `weight` of the group among the groups."""

    shares: Float[Tensor, "K K"]
    margins: Float[Tensor, "K K"]
    weight: float

    @property
    def order(self) -> Float[Tensor, "K K"]:
        """1 where more than half prefer i over j, else 0: as `vote_hits` takes votes."""
        return (self.shares > 0.5).float()


def preference_target(
    row: GroupRow, config: RewardConfig, device: torch.device
) -> PreferenceTarget:
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
    return PreferenceTarget(shares.to(device), margins.to(device), weight)


def preference_shares(
    rankings: Sequence[Ranks], weights: Sequence[float] | None = None
) -> Float[Tensor, "K K"]:
    """The share of labelers that prefer i over j, a tie counting one half, of those who compared
    them; NaN where nobody did.

    `rankings` holds one list of K ranks a labeler, 1 best; `weights` how much each labeler counts
    in the share, all the same without them. Their sum must not be 0.
    """
    ranks = ranks_tensor(rankings)
    better = (ranks[:, :, None] < ranks[:, None, :]).float()
    tied = (ranks[:, :, None] == ranks[:, None, :]).float()
    weight = torch.tensor(weights or [1.0] * len(ranks))[:, None, None]
    return (weight * (better + 0.5 * tied)).sum(0) / (weight * (better + better.mT + tied)).sum(0)


def ranks_tensor(rankings: Sequence[Ranks]) -> Float[Tensor, "labelers K"]:
    """NaN where an answer was not ranked: it is neither above, nor below, nor tied."""
    return torch.tensor(
        [[math.nan if rank is None else rank for rank in ranks] for ranks in rankings],
        dtype=torch.float32,
    )


def rating_margins(
    rankings: Sequence[Ranks],
    ratings: Sequence[Sequence[float] | None],
    largest: float,
    weights: Sequence[float] | None = None,
) -> Float[Tensor, "K K"]:
    """How far the score of i should lie above that of j, antisymmetric.

    The mean over labelers of `largest` (s_i - s_j) / 6 where the labeler ranks i over j and rates
    it higher (ratings s from 1 to 7), the negative of it the other way round, and 0 without
    ratings: the margin m(r) of Llama 2 (arXiv 2307.09288, equation 2), which grows with how clearly
    the better answer is better, here on a line instead of in their four steps.
    """
    margins = []
    for ranks, given in zip(rankings, ratings, strict=True):
        [rank] = ranks_tensor([ranks])
        rating = torch.zeros_like(rank) if given is None else torch.tensor(given).float()
        gain = (rating[:, None] - rating[None, :]).clamp(min=0)
        better = gain * (rank[:, None] < rank[None, :])
        margins.append(largest / 6 * (better - better.T))
    return _mean_over_labelers(torch.stack(margins), weights)


def _mean_over_labelers(
    values: Float[Tensor, "labelers K K"], weights: Sequence[float] | None
) -> Float[Tensor, "K K"]:
    weight = torch.tensor(weights or [1.0] * len(values), dtype=torch.float32)
    return (weight[:, None, None] * values).sum(0) / weight.sum()


def smoothed(shares: Float[Tensor, ...], smoothing: float) -> Float[Tensor, ...]:
    """Targets moved towards one half: (1 - e) share + e / 2, label smoothing with two classes.

    arXiv 1512.00567, section 7.
    """
    return (1 - smoothing) * shares + smoothing / 2


def strict_votes(
    rankings: Sequence[Ranks], weights: Sequence[float] | None = None
) -> Float[Tensor, "K K"]:
    """The number of labelers that rank i strictly better than j, or their weight in all."""
    ranks = ranks_tensor(rankings)
    weight = torch.tensor(weights or [1.0] * len(rankings))
    return (weight[:, None, None] * (ranks[:, :, None] < ranks[:, None, :])).sum(0)


def counted_votes(row: GroupRow) -> Float[Tensor, "K K"]:
    """The same of the rankings of a group that count."""
    return strict_votes([ranking.ranks for ranking in row.counted])


def tied_votes(rankings: Sequence[Ranks]) -> Float[Tensor, "K K"]:
    """The number of labelers that rank i and j alike, for i < j only."""
    ranks = ranks_tensor(rankings)
    return (ranks[:, :, None] == ranks[:, None, :]).float().sum(0).triu(diagonal=1)


def vote_hits(scores: Float[Tensor, " K"], votes: Float[Tensor, "K K"]) -> Float[Tensor, ""]:
    """The sum over strict votes of 1 where the scores agree, one half where they are equal."""
    differences = scores[:, None] - scores[None, :]
    return (votes * ((differences > 0).float() + 0.5 * (differences == 0).float())).sum()
