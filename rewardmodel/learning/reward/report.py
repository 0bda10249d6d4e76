"""What result.json says of a trained reward model beside its gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from jaxtyping import Float
from torch import Tensor

from rewardmodel.learning.core.group_packing import EncodedGroup
from rewardmodel.learning.core.snapshot import GroupRow
from rewardmodel.learning.reward.agreement import (
    accuracy_by_labeler,
    human_ceiling,
    length_correlation,
)
from rewardmodel.learning.reward.calibration import reliability
from rewardmodel.learning.reward.metrics import PreferenceMetrics
from rewardmodel.learning.reward.preferences import strict_votes

SAMPLES = 5


def heldout_report(
    scores: Sequence[Float[Tensor, " K"]],
    groups: Sequence[EncodedGroup],
    rows: Sequence[GroupRow],
) -> dict[str, Any]:
    """What else the held-out groups say."""
    votes = [strict_votes([ranking.ranks for ranking in row.counted]) for row in rows]
    lengths = [[len(answer) for answer in group.answers] for group in groups]
    return {
        "length_correlation": asdict(length_correlation(scores, lengths, rows)),
        "human_ceiling": asdict(human_ceiling(scores, rows)),
        "labelers": [asdict(each) for each in accuracy_by_labeler(scores, rows)],
        "reliability": [asdict(each) for each in reliability(scores, votes)],
    }


def curve_point(groups: int, found: PreferenceMetrics) -> dict[str, Any]:
    """Of the learning curve: what was held out, predicted after learning from so many groups."""
    return {"groups": groups, "log_loss": found.log_loss, "accuracy": found.accuracy}


def samples(
    rows: Sequence[GroupRow], scores: Sequence[Float[Tensor, " K"]], mean: float, std: float
) -> list[dict[str, Any]]:
    """Some groups with the model's normalised rewards beside the ranks."""
    return [
        {
            "prompt": row.prompt,
            "answers": row.answers,
            "rankings": [ranking.ranks for ranking in row.rankings],
            "rewards": ((group - mean) / max(std, 1e-6)).tolist(),
        }
        for row, group in list(zip(rows, scores, strict=True))[:SAMPLES]
    ]
