"""How a reward model agrees with each labeler, how labelers agree, and what length explains."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from rewardmodel.learning.core.snapshot_rows import GroupRow
from rewardmodel.learning.reward.preferences import (
    counted_votes,
    preference_shares,
    strict_votes,
    vote_hits,
)


@dataclass(frozen=True)
class LabelerAccuracy:
    """The share of one labeler's `pairs` (strict preferences) that the model orders alike."""

    labeler: str
    pairs: int
    accuracy: float


def accuracy_by_labeler(
    scores: Sequence[Float[Tensor, " K"]], rows: Sequence[GroupRow]
) -> list[LabelerAccuracy]:
    """Of every labeler with strict preferences, whatever their weight; most pairs first."""
    pairs: dict[str, float] = defaultdict(float)
    hits: dict[str, float] = defaultdict(float)
    for group, row in zip(scores, rows, strict=True):
        for ranking in row.rankings:
            votes = strict_votes([ranking.ranks])
            pairs[ranking.labeler] += votes.sum().item()
            hits[ranking.labeler] += vote_hits(group, votes).item()
    found = [
        LabelerAccuracy(labeler, round(count), hits[labeler] / count)
        for labeler, count in pairs.items()
        if count
    ]
    return sorted(found, key=lambda each: (-each.pairs, each.labeler))


@dataclass(frozen=True)
class HumanCeiling:
    """How well labelers predict one another, on pairs that several of them judged.

    A pair is one labeler's strict preference of i over j on which other labelers have strict
    preferences too. It counts 1 where more of the others prefer i than j, one half where as many
    do, else 0; `accuracy` is the mean, and `model` the model's accuracy on the same pairs. Both are
    None without such pairs.
    """

    pairs: int
    accuracy: float | None
    model: float | None


def human_ceiling(scores: Sequence[Float[Tensor, " K"]], rows: Sequence[GroupRow]) -> HumanCeiling:
    """Over the rankings that count."""
    pairs = agreed = hits = 0.0
    for group, row in zip(scores, rows, strict=True):
        everyone = counted_votes(row)
        for ranking in row.counted:
            own = strict_votes([ranking.ranks])
            others = everyone - own
            judged = own * ((others + others.T) > 0)
            pairs += judged.sum().item()
            agreed += (judged * ((others - others.T).sign() + 1) / 2).sum().item()
            hits += vote_hits(group, judged).item()
    if not pairs:
        return HumanCeiling(0, None, None)
    return HumanCeiling(round(pairs), agreed / pairs, hits / pairs)


@dataclass(frozen=True)
class LengthCorrelation:
    """Pearson's correlation of answers' lengths with the model's and with the labelers' scores.

    Lengths in tokens. Lengths and scores are taken less their group's mean, since rewards compare
    answers to one prompt only. None where all lengths or all scores are equal.
    """

    model: float | None
    labelers: float | None


def length_correlation(
    scores: Sequence[Float[Tensor, " K"]],
    lengths: Sequence[Sequence[int]],
    rows: Sequence[GroupRow],
) -> LengthCorrelation:
    """`lengths` in tokens; labelers score an answer by how often it is the better of two."""
    model, labelers, tokens = [], [], []
    for group, length, row in zip(scores, lengths, rows, strict=True):
        shares = preference_shares([ranking.ranks for ranking in row.counted])
        judged = shares.fill_diagonal_(math.nan).nanmean(1).nan_to_num(0.5)
        model.append(_centred(group))
        labelers.append(_centred(judged))
        tokens.append(_centred(torch.tensor(length)))
    if not tokens:
        return LengthCorrelation(None, None)
    all_tokens = torch.cat(tokens)
    return LengthCorrelation(
        _correlation(torch.cat(model), all_tokens), _correlation(torch.cat(labelers), all_tokens)
    )


@dataclass(frozen=True)
class ScoreAgreement:
    """How one model's scores follow another's, within groups.

    `pairs` are those of answers to one prompt that the other scores apart, `agreement` the share
    of them that are ordered alike, `correlation` Pearson's, of scores less their group's mean. Both
    are None where nothing is apart.
    """

    pairs: int
    agreement: float | None
    correlation: float | None


def score_agreement(
    scores: Sequence[Float[Tensor, " K"]], others: Sequence[Float[Tensor, " K"]]
) -> ScoreAgreement:
    """Equal scores agree by half."""
    orders = [(other[:, None] > other[None, :]).float() for other in others]
    pairs = sum(order.sum().item() for order in orders)
    if not pairs:
        return ScoreAgreement(0, None, None)
    hits = sum(vote_hits(*both).item() for both in zip(scores, orders, strict=True))
    own, theirs = (torch.cat([_centred(group) for group in each]) for each in (scores, others))
    return ScoreAgreement(round(pairs), hits / pairs, _correlation(own, theirs))


def _centred(values: Tensor) -> Tensor:
    return values.double() - values.double().mean()


def _correlation(a: Tensor, b: Tensor) -> float | None:
    """Of values whose mean is 0."""
    spread = math.sqrt(float(a.square().sum() * b.square().sum()))
    return float((a * b).sum()) / spread if spread else None
