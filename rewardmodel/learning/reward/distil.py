"""What a teacher, a reward model of either kind, says of a snapshot's answers, for a student.

Its probabilities are the targets (as in arXiv 1503.02531), here those of comparisons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from rewardmodel.learning.configs import RewardConfig
from rewardmodel.learning.core.snapshot import PreferenceData
from rewardmodel.learning.core.snapshot_rows import GroupRow
from rewardmodel.learning.reward.agreement import score_agreement
from rewardmodel.learning.reward.learned import Scores
from rewardmodel.learning.reward.metrics import metrics_of
from rewardmodel.learning.reward.preferences import PreferenceTarget
from rewardmodel.learning.reward.scorer import RewardScorer


def teacher_scores(config: RewardConfig, data: PreferenceData, device: torch.device) -> Scores:
    """In nats of preference, of all groups, ranked or not. Raises PolicyUnavailable."""
    scorer = RewardScorer(config.teacher, device)

    def of(rows: Sequence[GroupRow]) -> list[Tensor]:
        return scorer.raw_scores([row.asked for row in rows], config.tokens_per_batch)

    return Scores(of(data.with_unranked("train")), of(data.with_unranked("heldout")), [])


def target_of_scores(scores: Float[Tensor, " K"], device: torch.device) -> PreferenceTarget:
    """That each answer is preferred as often as the teacher says."""
    shares = (scores[:, None] - scores[None, :]).sigmoid()
    return PreferenceTarget(shares.to(device), torch.zeros_like(shares).to(device), 1.0)


def teacher_report(teacher: Scores, student: Scores, data: PreferenceData) -> dict[str, Any]:
    """What the teacher knows of people's held-out rankings, and how the student follows it."""
    return {
        "teacher": asdict(metrics_of(teacher.ranked(data).heldout, data.heldout)),
        "teacher_agreement": asdict(score_agreement(student.heldout, teacher.heldout)),
    }
