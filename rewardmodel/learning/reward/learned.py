"""What either method leaves of a training: scores, a model to save, and the result made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rewardmodel.learning.configs import RewardConfig
from rewardmodel.learning.core.row_report import row_counts
from rewardmodel.learning.core.run_folder import RunFolder
from rewardmodel.learning.core.script import provenance
from rewardmodel.learning.core.snapshot import PreferenceData
from rewardmodel.learning.reward.gate import reward_gate
from rewardmodel.learning.reward.metrics import metrics_of
from rewardmodel.learning.reward.report import heldout_report, samples
from rewardmodel.learning.reward.scorer import RewardScorer
from rewardmodel.learning.reward.training_set import TrainingSet


@dataclass(frozen=True)
class Scores:
    """Raw rewards of each group's answers, in the order of a TrainingSet."""

    train: list[Tensor]
    heldout: list[Tensor]
    demonstrations: list[Tensor]

    def ranked(self, data: PreferenceData) -> Scores:
        """Of the ranked groups alone."""
        train, heldout = self.train[: len(data.train)], self.heldout[: len(data.heldout)]
        return Scores(train, heldout, self.demonstrations)


@dataclass(frozen=True)
class Learned:
    """`metrics` are the method's own; `save` is given a folder, and the rewards' mean and
    deviation. `teacher` is what was to be learned, where that was another model's."""

    data: TrainingSet
    scores: Scores
    metrics: dict[str, Any]
    save: Callable[[Path, float, float], None]
    teacher: Scores | None = None


def judge_and_publish(
    config: RewardConfig, run: RunFolder, rows: PreferenceData, learned: Learned
) -> None:
    """Judges by the held-out groups, and leaves model and result."""
    data, ranked = learned.data, learned.scores.ranked(rows)
    teacher = learned.teacher.ranked(rows).heldout if learned.teacher else None
    served = None
    if config.served and rows.heldout:
        scorer = RewardScorer(config.served, torch.device("cpu"))
        asked = [row.asked for row in rows.heldout]
        served = scorer.raw_scores(asked, config.tokens_per_batch)
    share = len(rows.heldout) / max(1, len(rows.heldout) + len(rows.train))
    rewards = torch.cat(learned.scores.train)
    zero_at = torch.cat(ranked.demonstrations) if ranked.demonstrations else rewards
    mean, std = zero_at.mean().item(), rewards.std().item()
    result = {
        "metrics": {
            "heldout": asdict(metrics_of(ranked.heldout, rows.heldout)),
            "train": asdict(metrics_of(ranked.train, rows.train)),
            **heldout_report(ranked.heldout, data.heldout[: len(rows.heldout)], rows.heldout),
            "reward_mean": mean,
            "reward_std": std,
            "demonstrations": len(ranked.demonstrations),
            **learned.metrics,
            **row_counts(rows.skipped, data.shortened),
        },
        "gate": reward_gate(ranked.heldout, rows.heldout, served, share, teacher).report(),
        "samples": samples(rows.heldout, ranked.heldout, mean, std),
        "provenance": provenance(config, run),
    }
    run.progress("saving", 0, 1)
    run.publish(Path(config.output), lambda folder: learned.save(folder, mean, std), result)
