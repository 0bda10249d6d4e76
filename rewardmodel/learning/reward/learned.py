"""What either method leaves of a training: scores, a model to save, and the result made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from rewardmodel.learning.configs import RewardConfig
from rewardmodel.learning.configs.reward import SECOND_JUDGE
from rewardmodel.learning.core.row_report import row_counts
from rewardmodel.learning.core.run_folder import RunFolder
from rewardmodel.learning.core.script import provenance
from rewardmodel.learning.core.snapshot import PreferenceData
from rewardmodel.learning.reward.gate import reward_gate
from rewardmodel.learning.reward.learning_curve import fitted_curve
from rewardmodel.learning.reward.metrics import metrics_of
from rewardmodel.learning.reward.probe import Head, LinearProbe
from rewardmodel.learning.reward.report import (
    answers_by_policy,
    heldout_report,
    interval_report,
    normalised,
    samples,
    token_lengths,
)
from rewardmodel.learning.reward.scorer import RewardScorer
from rewardmodel.learning.reward.training_set import TrainingSet


@dataclass(frozen=True)
class Scores:
    """Raw rewards of each group's answers, in the order of a TrainingSet."""

    train: list[Tensor]
    heldout: list[Tensor]
    demonstrations: list[Tensor]

    @property
    def scale(self) -> tuple[float, float]:
        """Where 0 is to be, and the deviation: the mean of demonstrations where there are some."""
        rewards = torch.cat(self.train)
        zero_at = torch.cat(self.demonstrations) if self.demonstrations else rewards
        return zero_at.mean().item(), rewards.std().item()

    def ranked(self, data: PreferenceData) -> Scores:
        """Of the ranked groups alone."""
        train, heldout = self.train[: len(data.train)], self.heldout[: len(data.heldout)]
        return Scores(train, heldout, self.demonstrations)


@dataclass(frozen=True)
class Learned:
    """`metrics` are the method's own; `save` is given a folder, and the rewards' mean and
    deviation. `teacher` is what was to be learned, where that was another model's. Where a frozen
    `network` was read, `by_head` says what another head makes of it, without another pass."""

    data: TrainingSet
    scores: Scores
    metrics: dict[str, Any]
    save: Callable[[Path, float, float], None]
    teacher: Scores | None = None
    network: PreTrainedModel | None = None
    by_head: Callable[[Head], Scores] | None = None


def judge_and_publish(
    config: RewardConfig,
    run: RunFolder,
    rows: PreferenceData,
    learned: Learned,
    second: Learned | None = None,
) -> None:
    """Judges by the held-out groups, and leaves the model, with a `second` judge if there is one,
    and the result."""
    data, ranked = learned.data, learned.scores.ranked(rows)
    teacher = learned.teacher.ranked(rows).heldout if learned.teacher else None
    served = served_rewards = None
    if config.served and rows.heldout:
        scorer = RewardScorer(config.served, torch.device("cpu"), learned.network)
        served = _by_served(scorer, learned, rows, config.tokens_per_batch)
        served_rewards = [normalised(each, scorer.mean, scorer.std) for each in served]
    others = len(second.data.targets) if second else 0
    share = len(rows.heldout) / max(1, len(rows.heldout) + len(rows.train) + others)
    points = learned.metrics.get("learning_curve", [])
    curve = fitted_curve((point["groups"], point["log_loss"]) for point in points)
    lengths = token_lengths(data.heldout[: len(rows.heldout)])
    gate = reward_gate(ranked.heldout, rows.heldout, served, share, teacher, curve, lengths)
    mean, std = learned.scores.scale
    result = {
        "metrics": {
            "heldout": _heldout(learned, rows),
            **interval_report(ranked.heldout, rows.heldout, served),
            "train": asdict(metrics_of(ranked.train, rows.train)),
            **heldout_report(ranked.heldout, lengths, rows.heldout),
            "answers_by_policy": answers_by_policy(rows.heldout, ranked.heldout, mean, std),
            "reward_mean": mean,
            "reward_std": std,
            "demonstrations": len(ranked.demonstrations),
            **learned.metrics,
            **({"second_judge": _heldout(second, rows)} if second else {}),
            **row_counts(rows.skipped, data.shortened),
        },
        "gate": gate.report(),
        "samples": samples(
            rows.heldout,
            [normalised(each, mean, std) for each in ranked.heldout],
            served_rewards,
        ),
        "provenance": provenance(config, run),
    }
    run.progress("saving", 0, 1)

    def save(folder: Path) -> None:
        learned.save(folder, mean, std)
        if second is not None:
            second.save(folder / SECOND_JUDGE, *second.scores.scale)

    run.publish(Path(config.output), save, result)


def _by_served(
    scorer: RewardScorer, learned: Learned, rows: PreferenceData, tokens: int
) -> list[Tensor]:
    """The held-out groups' raw scores by the reward model that serves."""
    model = scorer.model
    if learned.by_head and scorer.reads_base and isinstance(model, LinearProbe):
        return learned.by_head(model.head).ranked(rows).heldout
    return scorer.raw_scores([row.asked for row in rows.heldout], tokens)


def _heldout(learned: Learned, rows: PreferenceData) -> dict[str, Any]:
    return asdict(metrics_of(learned.scores.ranked(rows).heldout, rows.heldout))
