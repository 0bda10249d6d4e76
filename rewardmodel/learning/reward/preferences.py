"""What a group's labelers said, as the tensors that its loss is taken against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from rewardmodel.learning.configs import RewardConfig
from rewardmodel.learning.core.snapshot import GroupRow


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


def preference_shares(
    rankings: Sequence[Sequence[int]], weights: Sequence[float] | None = None
) -> Tensor:
    """The share of labelers that prefer i over j, a tie counting one half, as [K, K].

    `rankings` holds one list of K ranks a labeler, 1 best; `weights` how much each labeler counts
    in the share, all the same without them. Their sum must not be 0.
    """
    ranks = torch.tensor(rankings, dtype=torch.float32)
    better = (ranks[:, :, None] < ranks[:, None, :]).float()
    tied = (ranks[:, :, None] == ranks[:, None, :]).float()
    return _mean_over_labelers(better + 0.5 * tied, weights)


def rating_margins(
    rankings: Sequence[Sequence[int]],
    ratings: Sequence[Sequence[float] | None],
    largest: float,
    weights: Sequence[float] | None = None,
) -> Tensor:
    """How far the score of i should lie above that of j, antisymmetric, as [K, K].

    The mean over labelers of `largest` (s_i - s_j) / 6 where the labeler ranks i over j and rates
    it higher (ratings s from 1 to 7), the negative of it the other way round, and 0 without
    ratings: the margin m(r) of Llama 2 (arXiv 2307.09288, equation 2), which grows with how clearly
    the better answer is better, here on a line instead of in their four steps.
    """
    margins = []
    for ranks, given in zip(rankings, ratings, strict=True):
        rank = torch.tensor(ranks, dtype=torch.float32)
        rating = torch.zeros_like(rank) if given is None else torch.tensor(given).float()
        gain = (rating[:, None] - rating[None, :]).clamp(min=0)
        better = gain * (rank[:, None] < rank[None, :])
        margins.append(largest / 6 * (better - better.T))
    return _mean_over_labelers(torch.stack(margins), weights)


def _mean_over_labelers(values: Tensor, weights: Sequence[float] | None) -> Tensor:
    weight = torch.tensor(weights or [1.0] * len(values), dtype=torch.float32)
    return (weight[:, None, None] * values).sum(0) / weight.sum()


def smoothed(shares: Tensor, smoothing: float) -> Tensor:
    """Targets moved towards one half: (1 - e) share + e / 2, label smoothing with two classes.

    arXiv 1512.00567, section 7.
    """
    return (1 - smoothing) * shares + smoothing / 2


def listwise_loss(scores: Tensor, shares: Tensor, margins: Tensor | None = None) -> Tensor:
    """Mean over the group's K(K-1)/2 comparisons of the cross-entropy with soft targets.

    `scores` [K], `shares` [K, K] as from `preference_shares`, `margins` [K, K] as from
    `rating_margins`; returns a scalar. With one labeler and no ties this is the mean of
    -log sigmoid(r_better - r_worse - margin), equation 1 of InstructGPT (arXiv 2203.02155),
    equation 2 of Llama 2 (arXiv 2307.09288) with margins.
    """
    first, second = torch.triu_indices(len(scores), len(scores), offset=1, device=scores.device)
    differences = scores[first] - scores[second]
    if margins is not None:
        differences = differences - margins[first, second]
    return binary_cross_entropy_with_logits(differences, shares[first, second])


def strict_votes(rankings: Sequence[Sequence[int]]) -> Tensor:
    """The number of labelers that rank i strictly better than j, as [K, K]."""
    ranks = torch.tensor(rankings, dtype=torch.float32)
    return (ranks[:, :, None] < ranks[:, None, :]).float().sum(0)


def tied_votes(rankings: Sequence[Sequence[int]]) -> Tensor:
    """The number of labelers that rank i and j alike, for i < j only, as [K, K]."""
    ranks = torch.tensor(rankings, dtype=torch.float32)
    return (ranks[:, :, None] == ranks[:, None, :]).float().sum(0).triu(diagonal=1)


def vote_log_loss(scores: Tensor, votes: Tensor) -> Tensor:
    """The sum over strict votes of -log sigmoid(r_better - r_worse); ln 2 a vote is chance.

    `scores` [K], `votes` [K, K] as from `strict_votes`; returns a scalar.
    """
    return (votes * softplus(scores[None, :] - scores[:, None])).sum()


def vote_hits(scores: Tensor, votes: Tensor) -> Tensor:
    """The sum over strict votes of 1 where the scores agree, one half where they are equal."""
    differences = scores[:, None] - scores[None, :]
    return (votes * ((differences > 0).float() + 0.5 * (differences == 0).float())).sum()
