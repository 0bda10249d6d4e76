"""What result.json says of a trained reward model beside its gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from rewardmodel.learning.core.bootstrap import deciding_interval
from rewardmodel.learning.core.group_packing import EncodedGroup
from rewardmodel.learning.core.snapshot_rows import GroupRow
from rewardmodel.learning.reward.agreement import (
    accuracy_by_labeler,
    human_ceiling,
    length_correlation,
)
from rewardmodel.learning.reward.calibration import reliability
from rewardmodel.learning.reward.gate import evidence_of
from rewardmodel.learning.reward.metrics import PreferenceMetrics, metrics_of
from rewardmodel.learning.reward.preferences import counted_votes
from rewardmodel.learning.reward.scorer import SMALLEST

SAMPLES = 5
MOST_REPORTED = 1000  # answers of each policy version


def heldout_report(
    scores: Sequence[Float[Tensor, " K"]],
    lengths: Sequence[Sequence[int]],
    rows: Sequence[GroupRow],
) -> dict[str, Any]:
    """What else the held-out groups say; `lengths` of their answers in tokens."""
    votes = [counted_votes(row) for row in rows]
    return {
        "length_correlation": asdict(length_correlation(scores, lengths, rows)),
        "human_ceiling": asdict(human_ceiling(scores, rows)),
        "labelers": [asdict(each) for each in accuracy_by_labeler(scores, rows)],
        "reliability": [asdict(each) for each in reliability(scores, votes)],
    }


def token_lengths(groups: Sequence[EncodedGroup]) -> list[list[int]]:
    """Of each group's answers."""
    return [[len(answer) for answer in group.answers] for group in groups]


def interval_report(
    scores: Sequence[Float[Tensor, " K"]],
    rows: Sequence[GroupRow],
    served: Sequence[Float[Tensor, " K"]] | None = None,
) -> dict[str, Any]:
    """The 99 % intervals of the held-out figures; with the scores of what `served` until then, that
    one's figures on the same groups, and the intervals of the changes. Nothing of one prompt."""
    own = evidence_of(scores, rows)
    if len(own.pairs) < 2 or not np.isfinite(own.losses).all():
        return {}
    low, high = _ends(own.hits, own.pairs)
    intervals = {
        "log_loss": _ends(own.losses, own.pairs),
        "accuracy": [max(low, 0.0), min(high, 1.0)],
    }
    if served is None:
        return {"intervals": intervals}
    other = evidence_of(served, rows)
    return {
        "intervals": intervals,
        "served": asdict(metrics_of(served, rows)),
        "changes": {
            "log_loss": _ends(own.losses - other.losses, own.pairs),
            "accuracy": _ends(own.hits - other.hits, own.pairs),
        },
    }


def _ends(sums: NDArray[np.float64], pairs: NDArray[np.float64]) -> list[float]:
    return list(deciding_interval(sums, pairs))


def curve_point(groups: int, found: PreferenceMetrics) -> dict[str, Any]:
    """Of the learning curve: what was held out, predicted after learning from so many groups."""
    return {"groups": groups, "log_loss": found.log_loss, "accuracy": found.accuracy}


def answers_by_policy(
    rows: Sequence[GroupRow], scores: Sequence[Float[Tensor, " K"]], mean: float, std: float
) -> dict[str, list[float]]:
    """Normalised rewards of the answers that each policy version wrote, by its number; the newest
    MOST_REPORTED."""
    found: dict[str, list[float]] = {}
    for row, group in zip(rows, scores, strict=True):
        for number, reward in zip(row.policies, normalised(group, mean, std), strict=False):
            if number is not None:
                found.setdefault(str(number), []).append(round(reward, 3))
    return {number: rewards[-MOST_REPORTED:] for number, rewards in found.items()}


def normalised(scores: Float[Tensor, " K"], mean: float, std: float) -> list[float]:
    rewards: list[float] = ((scores - mean) / max(std, SMALLEST)).tolist()
    return rewards


def samples(
    rows: Sequence[GroupRow],
    rewards: Sequence[Sequence[float]],
    served: Sequence[Sequence[float]] | None = None,
) -> list[dict[str, Any]]:
    """Some groups with the model's normalised rewards beside the ranks; with the rewards of what
    `served` until then the groups of which one changed most, that one's beside them."""
    found = [
        {
            "prompt": row.prompt,
            "answers": row.answers,
            "rankings": [ranking.ranks for ranking in row.rankings],
            "rewards": list(own),
        }
        for row, own in zip(rows, rewards, strict=True)
    ]
    if served is None:
        return found[:SAMPLES]
    changes = []
    for sample, own, before in zip(found, rewards, served, strict=True):
        sample["rewards_before"] = list(before)
        changes.append(max(abs(now - then) for now, then in zip(own, before, strict=True)))
    places = sorted(range(len(found)), key=lambda place: -changes[place])
    return [found[place] for place in places[:SAMPLES]]
