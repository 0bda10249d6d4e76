"""How well a reward model predicts rankings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from rewardmodel.learning.core.snapshot_rows import GroupRow
from rewardmodel.learning.reward.calibration import calibration_error, reliability
from rewardmodel.learning.reward.losses import vote_log_loss
from rewardmodel.learning.reward.preferences import (
    Ranks,
    strict_votes,
    tied_votes,
    vote_hits,
)


@dataclass(frozen=True)
class PreferenceMetrics:
    """How well scores agree with rankings. A pair is one labeler's strict preference.

    `accuracy` is the share of pairs ordered alike, `log_loss` the mean of
    -log sigmoid(r_better - r_worse) over pairs (ln 2 is chance), `calibration_error` how far
    confidence and accuracy lie apart; all are None without pairs. `ties` counts the comparisons
    that a labeler left undecided, `tie_confidence` is the mean sigmoid(|r_i - r_j|) over them (one
    half is perfect), None without ties.
    """

    groups: int
    pairs: int
    accuracy: float | None
    log_loss: float | None
    calibration_error: float | None = None
    ties: int = 0
    tie_confidence: float | None = None


def preference_metrics(
    scores: Sequence[Float[Tensor, " K"]], rankings: Sequence[Sequence[Ranks]]
) -> PreferenceMetrics:
    """A group's scores, and its ranks by labeler; ties stand apart."""
    votes = [strict_votes(group) for group in rankings]
    pairs = sum(each.sum().item() for each in votes)
    hits = sum(vote_hits(s, v).item() for s, v in zip(scores, votes, strict=True))
    loss = sum(vote_log_loss(s, v).item() for s, v in zip(scores, votes, strict=True))
    ties = tie_confidence = 0.0
    for group_scores, group_rankings in zip(scores, rankings, strict=True):
        tied = tied_votes(group_rankings)
        ties += tied.sum().item()
        distances = (group_scores[:, None] - group_scores[None, :]).abs()
        tie_confidence += (tied * distances.sigmoid()).sum().item()
    return PreferenceMetrics(
        groups=len(scores),
        pairs=round(pairs),
        accuracy=hits / pairs if pairs else None,
        log_loss=loss / pairs if pairs else None,
        calibration_error=calibration_error(reliability(scores, votes)),
        ties=round(ties),
        tie_confidence=tie_confidence / ties if ties else None,
    )


def accuracy_of(hits: Sequence[Float[Tensor, ""]], pairs: float) -> dict[str, Tensor]:
    """The part that some groups' hits have in the accuracy of a training step with so many pairs in
    all; a step of ties alone has none."""
    return {"accuracy": torch.stack(list(hits)).sum() / pairs} if pairs else {}


def metrics_of(
    scores: Sequence[Float[Tensor, " K"]], rows: Sequence[GroupRow]
) -> PreferenceMetrics:
    """Over the rankings that count."""
    return preference_metrics(scores, [[r.ranks for r in row.counted] for row in rows])
