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
    """Raw rewards of each group's answers."""

    train: list[Tensor]
    heldout: list[Tensor]
    demonstrations: list[Tensor]


@dataclass(frozen=True)
class Learned:
    """`metrics` are the method's own; `save` is given a folder, and the rewards' mean and
    deviation."""

    data: TrainingSet
    scores: Scores
    metrics: dict[str, Any]
    save: Callable[[Path, float, float], None]


def judge_and_publish(
    config: RewardConfig, run: RunFolder, rows: PreferenceData, learned: Learned
) -> None:
    """Judges by the held-out groups, and leaves model and result."""
    data, scores = learned.data, learned.scores
    served = None
    if config.served and rows.heldout:
        scorer = RewardScorer(config.served, torch.device("cpu"))
        asked = [(row.prompt, row.answers) for row in rows.heldout]
        served = [scorer.std * each for each in scorer.scores(asked, config.tokens_per_batch)]
    share = len(rows.heldout) / (len(rows.heldout) + len(rows.train))
    rewards = torch.cat(scores.train)
    zero_at = torch.cat(scores.demonstrations) if scores.demonstrations else rewards
    mean, std = zero_at.mean().item(), rewards.std().item()
    result = {
        "metrics": {
            "heldout": asdict(metrics_of(scores.heldout, rows.heldout)),
            "train": asdict(metrics_of(scores.train, rows.train)),
            **heldout_report(scores.heldout, data.heldout, rows.heldout),
            "reward_mean": mean,
            "reward_std": std,
            "demonstrations": len(scores.demonstrations),
            **learned.metrics,
            **row_counts(rows.skipped, data.shortened),
        },
        "gate": reward_gate(scores.heldout, rows.heldout, served, share).report(),
        "samples": samples(rows.heldout, scores.heldout, mean, std),
        "provenance": provenance(config, run),
    }
    run.progress("saving", 0, 1)
    run.publish(Path(config.output), lambda folder: learned.save(folder, mean, std), result)
