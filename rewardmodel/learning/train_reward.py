"""Stage 3: a reward model from ranked groups (InstructGPT, arXiv 2203.02155, section 3.5).

    accelerate launch rewardmodel/learning/train_reward.py \
        --snapshot groups.jsonl --base-model MODEL --output FOLDER

Differs from the paper: adapters by default, ties as soft targets, and one row a group.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

if __package__ in (None, ""):  # started as a file: make the repository importable from anywhere
    sys.path[0] = str(Path(__file__).resolve().parents[2])
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin starve a busy machine

import torch
from transformers import set_seed

from rewardmodel.learning.configs import RewardConfig
from rewardmodel.learning.core.distributed import Processes, autocast
from rewardmodel.learning.core.group_packing import Layout
from rewardmodel.learning.core.group_parts import parts_with_scores
from rewardmodel.learning.core.passes import in_budget
from rewardmodel.learning.core.row_report import require_groups, row_sentence
from rewardmodel.learning.core.run_folder import RunFolder
from rewardmodel.learning.core.script import run_script
from rewardmodel.learning.core.snapshot import PreferenceData, read_groups
from rewardmodel.learning.core.speed import Pace
from rewardmodel.learning.core.trainer import Trainer, Weights, shuffled
from rewardmodel.learning.reward.distil import target_of_scores, teacher_report, teacher_scores
from rewardmodel.learning.reward.fit_probe import fit_probe, load_backbone
from rewardmodel.learning.reward.learned import Learned, Scores, judge_and_publish
from rewardmodel.learning.reward.losses import listwise_loss
from rewardmodel.learning.reward.metrics import accuracy_of, metrics_of
from rewardmodel.learning.reward.model import (
    RewardModel,
    compare_with_plain_tokens,
    new_reward_model,
    reward_chat,
    save_reward_model,
    score_groups,
)
from rewardmodel.learning.reward.preferences import PreferenceTarget, preference_target, vote_hits
from rewardmodel.learning.reward.report import curve_point
from rewardmodel.learning.reward.training_set import (
    TrainingSet,
    encode_training_set,
    nested_parts,
)


def train(config: RewardConfig, run: RunFolder) -> None:
    """One run from snapshot to result. Raises TrainingFailure and the errors of loading."""
    accelerator = Processes()
    set_seed(config.seed)
    run.progress("loading", 0, 1)
    data = read_groups(
        Path(config.snapshot),
        config.heldout_percent,
        labeler_weights=config.labeler_weights,
        need_rankings=config.method != "distil",
    )
    rows, others = data.of_half(config.own_half), data.of_half(2)
    require_groups(rows, config.snapshot)
    if config.second_judge:
        require_groups(others, config.snapshot)
    finetuned = None
    if config.method != "probe":
        finetuned = _finetune(config, run, accelerator, rows)
    if not accelerator.is_main_process:
        return
    if config.method == "probe" or config.second_judge:
        backbone = load_backbone(config, accelerator.device)
    learned = finetuned or fit_probe(config, run, backbone, rows)
    second = fit_probe(config, run, backbone, others) if config.second_judge else None
    judge_and_publish(config, run, rows, learned, second)


def _finetune(
    config: RewardConfig, run: RunFolder, accelerator: Processes, rows: PreferenceData
) -> Learned | None:
    """Trains an adapter, or all weights, with a head on each answer's last token, to order answers
    as people did, or as a teacher does.

    All processes train; the main one alone has a result.
    """
    targets, teacher = _to_learn(config, run, accelerator.device, rows)
    chat = reward_chat(config.base_model)
    if accelerator.is_main_process:
        compare_with_plain_tokens(chat)
    rank = None if config.full else config.lora_rank
    model = new_reward_model(config.base_model, chat, rank, config.group_tokens)
    model.to(accelerator.device).eval()  # dropout stays off
    layout = model.choose_layout(model.group_tokens)
    data = encode_training_set(config, rows, targets, chat, model.group_tokens)
    used = len(data.groups) + len(data.heldout)
    run.tell(row_sentence("groups", used, rows.skipped, data.shortened))

    steps = steps_for(config, len(data.groups))
    trainer = Trainer(accelerator, model, config, config.learning_rate, steps)
    fresh = trainer.weights() if config.learning_curve else {}
    start, _ = trainer.resume(run.checkpoints)
    for done, metrics in fit(config, trainer, layout, data, range(len(data.groups)), start):
        run.progress("training", done, steps, metrics)
        trainer.save(run.checkpoints, done)

    curve = []
    if config.learning_curve:
        curve = _learning_curve(config, run, trainer, model, layout, data, rows, fresh)
    if not accelerator.is_main_process:
        return None
    scores = _scores(config, run, model, layout, data)
    if config.learning_curve:
        heldout = scores.ranked(rows).heldout
        curve.append(curve_point(len(data.groups), metrics_of(heldout, rows.heldout)))
    figures: dict[str, Any] = {"learning_curve": curve, "steps": steps}
    if teacher is not None:
        figures |= teacher_report(teacher, scores, rows)
    return Learned(
        data,
        scores,
        figures,
        lambda folder, mean, std: save_reward_model(model, chat, folder, mean, std),
        teacher,
    )


def _scores(
    config: RewardConfig, run: RunFolder, model: RewardModel, layout: Layout, data: TrainingSet
) -> Scores:
    """Of everything that was read."""
    found = []
    for part, groups in enumerate((data.groups, data.heldout, data.demonstrations)):
        run.progress("evaluating", part, 3)
        found.append(score_groups(model, layout, groups, data.pad, config.tokens_per_batch))
    return Scores(*found)


def _to_learn(
    config: RewardConfig, run: RunFolder, device: torch.device, rows: PreferenceData
) -> tuple[list[PreferenceTarget], Scores | None]:
    """A target for each group: what people said, or what a teacher does, whose scores come too."""
    if config.method != "distil":
        return [preference_target(row, config, device) for row in rows.train], None
    run.progress("reading", 0, 1)
    teacher = teacher_scores(config, rows, device)
    return [target_of_scores(each, device) for each in teacher.train], teacher


def fit(
    config: RewardConfig,
    trainer: Trainer,
    layout: Layout,
    data: TrainingSet,
    among: Sequence[int],
    start: int = 0,
) -> Iterator[tuple[int, dict[str, float]]]:
    """Learns from the groups `among` those of the data; yields finished steps and their metrics."""
    device, model = trainer.accelerator.device, cast(RewardModel, trainer.given)
    per_step = min(config.groups_per_step, len(among))
    pace, all_processes = Pace(), trainer.accelerator.num_processes
    for step in range(start, trainer.steps):
        drawn = shuffled(len(among), config.seed, step * per_step, per_step)
        mine = trainer.shard([among[i] for i in drawn], "groups_per_step")
        groups = [data.groups[i] for i in mine]
        targets = [data.targets[i] for i in mine]
        pairs = sum(float(data.targets[among[i]].order.sum()) for i in drawn)
        parts = parts_with_scores(
            model, device, layout, groups, targets, data.pad, config.tokens_per_batch
        )
        read = [part.group for part in parts]  # whole groups, where a pass has room for them
        for chosen in trainer.passes(list(in_budget(read, config.tokens_per_batch, layout))):
            batch = layout([read[i] for i in chosen], data.pad).to(device)
            with autocast(device):
                scores = trainer.module(batch).split([len(read[i].answers) for i in chosen])
                losses, hits = [], []
                for part, own in zip([parts[i] for i in chosen], scores, strict=True):
                    target, every = part.target, part.with_the_rest(own)
                    whole = target.weight * listwise_loss(every, target.shares, target.margins)
                    losses.append(part.share_of(whole))
                    hits.append(part.portion * vote_hits(every, target.order))
                loss = torch.stack(losses).sum() / per_step
            trainer.backward(loss, **accuracy_of(hits, pairs))
        yield step + 1, {**trainer.step(step), **pace.step(all_processes * layout.tokens(read))}


def _learning_curve(
    config: RewardConfig,
    run: RunFolder,
    trainer: Trainer,
    model: RewardModel,
    layout: Layout,
    data: TrainingSet,
    rows: PreferenceData,
    fresh: Weights,
) -> list[dict[str, Any]]:
    """Held-out metrics after learning, from `fresh` on, from ever larger parts of the groups."""
    trained, curve = trainer.weights(), []
    for part in nested_parts(len(data.groups), config.seed, trainer.accelerator.num_processes):
        trainer.restart(fresh, steps_for(config, len(part)))
        for done, _ in fit(config, trainer, layout, data, part):
            run.progress("evaluating", done, trainer.steps)
        heldout = data.heldout[: len(rows.heldout)]
        scores = score_groups(model, layout, heldout, data.pad, config.tokens_per_batch)
        curve.append(curve_point(len(part), metrics_of(scores, rows.heldout)))
    trainer.set_weights(trained)
    return curve


def steps_for(config: RewardConfig, groups: int) -> int:
    per_step = min(config.groups_per_step, groups)
    return max(config.minimum_steps, -(-config.epochs * groups // per_step))


if __name__ == "__main__":
    sys.exit(run_script(RewardConfig, train, sys.argv[1:]))
