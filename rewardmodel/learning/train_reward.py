"""Stage 3: a reward model from ranked groups (InstructGPT, arXiv 2203.02155, section 3.5).

    accelerate launch rewardmodel/learning/train_reward.py \
        --snapshot groups.jsonl --base-model MODEL --output FOLDER

Differs from the paper: adapters by default, ties as soft targets, and one row a group.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a file: make the repository importable from anywhere
    sys.path[0] = str(Path(__file__).resolve().parents[2])
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin starve a busy machine

import torch
from torch import Tensor, nn
from transformers import set_seed

from annotation.lm.chat import Chat
from annotation.lm.loading import load_tokenizer
from rewardmodel.learning.configs import RewardConfig
from rewardmodel.learning.core.distributed import Processes
from rewardmodel.learning.core.group_packing import EncodedGroup, fit, in_budget
from rewardmodel.learning.core.run_folder import RunFolder, TrainingFailure
from rewardmodel.learning.core.script import provenance, run_script
from rewardmodel.learning.core.snapshot import (
    GroupRow,
    PreferenceData,
    read_demonstrations,
    read_groups,
)
from rewardmodel.learning.core.trainer import Learner, Weights, shuffled
from rewardmodel.learning.reward.agreement import (
    accuracy_by_labeler,
    human_ceiling,
    length_correlation,
)
from rewardmodel.learning.reward.calibration import reliability
from rewardmodel.learning.reward.metrics import PreferenceMetrics, preference_metrics, reward_gate
from rewardmodel.learning.reward.model import (
    encode,
    new_reward_model,
    save_reward_model,
    score_groups,
)
from rewardmodel.learning.reward.preferences import strict_votes, target_of

SAMPLES = 5
DEMONSTRATIONS = 200  # enough for a mean


def train(config: RewardConfig, run: RunFolder) -> None:
    """One run from snapshot to result. Raises TrainingFailure and the errors of loading."""
    accelerator = Processes()
    set_seed(config.seed)
    run.progress("loading", 0, 1)
    data = read_groups(
        Path(config.snapshot), config.heldout_percent, labeler_weights=config.labeler_weights
    )
    if not data.train:
        skipped = _skipped(data.skipped)
        raise TrainingFailure(f"No usable group to train on in {config.snapshot}{skipped}.")
    lessons = Lessons(config, data, accelerator.device)
    everything = range(len(lessons.groups))
    steps = _steps(config, len(everything))
    learner = Learner(accelerator, lessons.model, config, config.learning_rate, steps)
    fresh = learner.weights() if config.learning_curve else {}
    start, _ = learner.resume(run.checkpoints)
    for step in range(start, steps):
        run.progress("training", step + 1, steps, lessons.update(learner, step, everything))
        learner.save(run.checkpoints, step + 1)
    curve = _learning_curve(run, lessons, learner, fresh) if config.learning_curve else []
    if accelerator.is_main_process:
        _evaluate_and_publish(run, lessons, steps, curve)


class Lessons:
    """The groups as tokens, what each is to teach, and the model that is to learn it."""

    def __init__(self, config: RewardConfig, data: PreferenceData, device: torch.device) -> None:
        """Raises the errors of loading."""
        self.config, self.data, self.device = config, data, device
        self.chat = chat = Chat(load_tokenizer(config.base_model))
        rank = None if config.full else config.lora_rank
        self.model = model = new_reward_model(config.base_model, chat, rank, config.group_tokens)
        model.to(device).eval()  # dropout stays off
        longest = model.group_tokens
        self.layout = model.choose_layout(longest)
        self.groups, shortened = _encode_all(chat, data.train, longest)
        self.heldout, heldout_shortened = _encode_all(chat, data.heldout, longest)
        self.shortened = shortened + heldout_shortened
        self.demonstrations = _demonstrations(chat, config, longest)
        self.targets = [target_of(row, config, device) for row in data.train]

    def update(self, learner: Learner, step: int, among: Sequence[int]) -> dict[str, float]:
        """The step's groups, drawn from those of `among`, give one update; its metrics."""
        config, groups = self.config, self.groups
        per_step = min(config.groups_per_step, len(among))
        places = shuffled(len(among), config.seed, step * per_step, per_step)
        chosen = learner.shard([among[place] for place in places], "groups_per_step")
        batches = in_budget([groups[i] for i in chosen], config.tokens_per_batch, self.layout)
        loss = learner.accumulate(
            [[chosen[i] for i in batch] for batch in batches],
            lambda indices: self.loss(learner.module, indices) / per_step,
        )
        return learner.update(step, loss)

    def loss(self, module: nn.Module, indices: Sequence[int]) -> Tensor:
        """Summed over those groups; `module` is the model, prepared for training."""
        groups, layout, chat = self.groups, self.layout, self.chat
        batch = layout([groups[i] for i in indices], chat.pad).to(self.device)
        scores = module(batch).split([len(groups[i].answers) for i in indices])
        losses = [self.targets[i].loss(s) for i, s in zip(indices, scores, strict=True)]
        return torch.stack(losses).sum()

    def score(self, encoded: Sequence[EncodedGroup]) -> list[Tensor]:
        budget = self.config.tokens_per_batch
        return score_groups(self.model, self.layout, encoded, self.chat.pad, budget)


def _learning_curve(
    run: RunFolder, lessons: Lessons, learner: Learner, fresh: Weights
) -> list[dict[str, Any]]:
    """Held-out metrics after learning, from `fresh` on, from ever larger parts of the groups."""
    trained, curve = learner.weights(), []
    config, processes = lessons.config, learner.accelerator.num_processes
    for part in _nested_parts(len(lessons.groups), config.seed, processes):
        learner.restart(fresh, _steps(config, len(part)))
        for step in range(learner.steps):
            lessons.update(learner, step, part)
            run.progress("evaluating", step + 1, learner.steps)
        found = _metrics(lessons.score(lessons.heldout), lessons.data.heldout)
        curve.append(_point(len(part), found))
    learner.set_weights(trained)
    return curve


def _evaluate_and_publish(
    run: RunFolder, lessons: Lessons, steps: int, curve: list[dict[str, Any]]
) -> None:
    """Scores all groups, judges by the held-out ones, and leaves model and result."""
    config, data = lessons.config, lessons.data
    run.progress("evaluating", 0, 2)
    train_scores = lessons.score(lessons.groups)
    run.progress("evaluating", 1, 2)
    heldout_scores = lessons.score(lessons.heldout)
    heldout = _metrics(heldout_scores, data.heldout)
    rewards = torch.cat(train_scores)
    shown = torch.cat([torch.empty(0), *lessons.score(lessons.demonstrations)])
    mean, std = (shown if len(shown) else rewards).mean().item(), rewards.std().item()
    whole = [_point(len(lessons.groups), heldout)] if config.learning_curve else []
    result = {
        "metrics": {
            "heldout": asdict(heldout),
            "train": asdict(_metrics(train_scores, data.train)),
            **_report(heldout_scores, lessons.heldout, data.heldout),
            "learning_curve": [*curve, *whole],
            "reward_mean": mean,
            "reward_std": std,
            "demonstrations": len(shown),
            "steps": steps,
            "shortened": lessons.shortened,
            "skipped": dict(data.skipped),
        },
        "gate": asdict(reward_gate(heldout)),
        "samples": _samples(data, heldout_scores, mean, std),
        "provenance": provenance(config, run),
    }
    run.progress("saving", 0, 1)
    run.publish(
        Path(config.output),
        lambda folder: save_reward_model(lessons.model, lessons.chat, folder, mean, std),
        result,
    )


def _steps(config: RewardConfig, groups: int) -> int:
    per_step = min(config.groups_per_step, groups)
    return max(config.minimum_steps, -(-config.epochs * groups // per_step))


def _nested_parts(groups: int, seed: int, least: int) -> list[list[int]]:
    """A quarter and a half of the groups, in random order, where that leaves `least` or more."""
    order = torch.randperm(groups, generator=torch.Generator().manual_seed(seed)).tolist()
    sizes = dict.fromkeys((groups // 4, groups // 2))
    return [order[:size] for size in sizes if size >= max(1, least)]


def _point(groups: int, found: PreferenceMetrics) -> dict[str, Any]:
    """One of the learning curve."""
    return {"groups": groups, "log_loss": found.log_loss, "accuracy": found.accuracy}


def _metrics(scores: Sequence[Tensor], rows: Sequence[GroupRow]) -> PreferenceMetrics:
    return preference_metrics(scores, [[r.ranks for r in row.counted] for row in rows])


def _report(
    scores: Sequence[Tensor], groups: Sequence[EncodedGroup], rows: Sequence[GroupRow]
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


def _encode_all(chat: Chat, rows: list[GroupRow], longest: int) -> tuple[list[EncodedGroup], int]:
    """The rows' tokens, and how many had to be shortened."""
    whole = [encode(chat, row.prompt, row.answers) for row in rows]
    groups = [fit(group, longest) for group in whole]
    return groups, sum(a != b for a, b in zip(whole, groups, strict=True))


def _demonstrations(chat: Chat, config: RewardConfig, longest: int) -> list[EncodedGroup]:
    """Answers that people wrote to training prompts, which show where the scale's 0 is to be."""
    if not config.demonstrations:
        return []
    data = read_demonstrations(Path(config.demonstrations), config.heldout_percent)
    rows = data.train[:DEMONSTRATIONS]
    return [fit(encode(chat, row.prompt, [row.answer]), longest) for row in rows]


def _skipped(reasons: Counter[str]) -> str:
    counted = ", ".join(f"{count} with {reason}" for reason, count in sorted(reasons.items()))
    return f" (skipped: {counted})" if counted else ""


def _samples(
    data: PreferenceData, scores: list[Tensor], mean: float, std: float
) -> list[dict[str, Any]]:
    """Some held-out groups with the model's normalised rewards beside the ranks."""
    return [
        {
            "prompt": row.prompt,
            "answers": row.answers,
            "rankings": [ranking.ranks for ranking in row.rankings],
            "rewards": ((group - mean) / max(std, 1e-6)).tolist(),
        }
        for row, group in list(zip(data.heldout, scores, strict=True))[:SAMPLES]
    ]


if __name__ == "__main__":
    sys.exit(run_script(RewardConfig, train, sys.argv[1:]))
