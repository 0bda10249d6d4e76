"""Stage 3: a reward model from ranked groups (InstructGPT, arXiv 2203.02155, section 3.5).

    accelerate launch rewardmodel/learning/train_reward.py \
        --snapshot groups.jsonl --base-model MODEL --output FOLDER

Differs from the paper: adapters by default, ties as soft targets, and one row a group.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

if __package__ in (None, ""):  # started as a file: make the repository importable from anywhere
    sys.path[0] = str(Path(__file__).resolve().parents[2])
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin starve a busy machine

import torch
from torch import Tensor
from transformers import set_seed

from annotation.exchange.split import prompt_key
from annotation.lm.chat import Chat
from annotation.lm.context import within_context
from annotation.lm.cpu_linear import use_onednn
from annotation.lm.loading import load_causal_lm, load_tokenizer, require_embeddings
from rewardmodel.learning.configs import RewardConfig
from rewardmodel.learning.core.distributed import Processes, autocast
from rewardmodel.learning.core.group_packing import Layout, choose_layout, in_budget
from rewardmodel.learning.core.row_report import by_reason, row_counts, row_sentence
from rewardmodel.learning.core.run_folder import RunFolder, TrainingFailure
from rewardmodel.learning.core.script import provenance, run_script
from rewardmodel.learning.core.snapshot import PreferenceData, read_groups
from rewardmodel.learning.core.trainer import Trainer, Weights, shuffled
from rewardmodel.learning.reward.choice import Choice, choose_head, layers_to_read
from rewardmodel.learning.reward.features import (
    FeatureReader,
    decoder_layers,
    log_lengths,
    read_features,
)
from rewardmodel.learning.reward.gate import reward_gate
from rewardmodel.learning.reward.group_parts import parts_with_scores
from rewardmodel.learning.reward.losses import listwise_loss
from rewardmodel.learning.reward.metrics import metrics_of
from rewardmodel.learning.reward.model import (
    RewardModel,
    compare_with_plain_tokens,
    new_reward_model,
    reward_chat,
    save_reward_model,
    score_groups,
)
from rewardmodel.learning.reward.probe import Head, LinearProbe, chosen_features
from rewardmodel.learning.reward.report import curve_point, heldout_report, samples
from rewardmodel.learning.reward.scorer import RewardScorer
from rewardmodel.learning.reward.training_set import TrainingSet, encode_training_set


@dataclass(frozen=True)
class Scores:
    """Raw rewards of each group's answers."""

    train: list[Tensor]
    heldout: list[Tensor]
    demonstrations: list[Tensor]


def train(config: RewardConfig, run: RunFolder) -> None:
    """One run from snapshot to result. Raises TrainingFailure and the errors of loading."""
    accelerator = Processes()
    set_seed(config.seed)
    run.progress("loading", 0, 1)
    rows = read_groups(
        Path(config.snapshot), config.heldout_percent, labeler_weights=config.labeler_weights
    )
    if not rows.train:
        skipped = f" (skipped: {by_reason(rows.skipped)})" if rows.skipped else ""
        raise TrainingFailure(f"No usable group to train on in {config.snapshot}{skipped}.")
    if config.method == "finetune":
        _finetune(config, run, accelerator, rows)
    elif accelerator.is_main_process:
        _probe(config, run, accelerator.device, rows)


def _probe(
    config: RewardConfig, run: RunFolder, device: torch.device, rows: PreferenceData
) -> None:
    """Reads every answer once, and fits a head to what the layers gave: no gradient passes."""
    chat = Chat(load_tokenizer(config.base_model))
    network = load_causal_lm(config.base_model, torch.float32)
    require_embeddings(network, chat)
    longest = within_context(network, config.group_tokens, "group_tokens")
    network.to(device).eval()  # type: ignore[arg-type]
    use_onednn(network)
    data = encode_training_set(config, rows, chat, longest, torch.device("cpu"))
    run.tell(
        row_sentence("groups", len(data.groups) + len(data.heldout), rows.skipped, data.shortened)
    )
    layers = layers_to_read(len(decoder_layers(network)))
    reader = FeatureReader(network, layers)
    layout = choose_layout(reader, network, longest)
    every = [*data.groups, *data.heldout, *data.demonstrations]
    total = sum(len(group.answers) for group in every)
    hidden = read_features(
        reader,
        layout,
        every,
        chat.pad,
        config.tokens_per_batch,
        lambda read: run.progress("reading", read, total),
    )
    lengths = [log_lengths(group) for group in every]
    prompts = [prompt_key(row.prompt) for row in rows.train]

    def learned(groups: Sequence[int]) -> Choice:
        return choose_head(
            [hidden[i] for i in groups],
            layers,
            [lengths[i] for i in groups],
            [data.targets[i] for i in groups],
            [prompts[i] for i in groups],
        )

    def scored(head: Head) -> Scores:
        """Of all groups by that head, without another pass."""
        scores = [
            head.scores(chosen_features(head.recipe, layers, *both))
            for both in zip(hidden, lengths, strict=True)
        ]
        first, second = len(data.groups), len(data.groups) + len(data.heldout)
        return Scores(scores[:first], scores[first:second], scores[second:])

    curve = []
    for part in _nested_parts(len(data.groups), config.seed, 1):
        heldout = scored(learned(part).head).heldout
        curve.append(curve_point(len(part), metrics_of(heldout, rows.heldout)))
    run.progress("training", 0, 1)
    choice = learned(range(len(data.groups)))
    scores = scored(choice.head)
    curve.append(curve_point(len(data.groups), metrics_of(scores.heldout, rows.heldout)))
    run.progress("training", 1, 1)
    model = LinearProbe(network, longest, choice.head)

    def save(folder: Path, mean: float, std: float) -> None:
        model.save(folder, chat, mean, std)

    without_length = metrics_of(scored(choice.head.without_length()).heldout, rows.heldout)
    more = {
        "chosen": choice.report(),
        "heldout_without_length": asdict(without_length),
        "learning_curve": curve,
        "steps": 0,
    }
    _judge_and_publish(config, run, data, rows, scores, more, save)


def _finetune(
    config: RewardConfig, run: RunFolder, accelerator: Processes, rows: PreferenceData
) -> None:
    """Trains an adapter, or all weights, with a head on each answer's last token."""
    chat = reward_chat(config.base_model)
    if accelerator.is_main_process:
        compare_with_plain_tokens(chat)
    rank = None if config.full else config.lora_rank
    model = new_reward_model(config.base_model, chat, rank, config.group_tokens)
    model.to(accelerator.device).eval()  # dropout stays off
    layout = model.choose_layout(model.group_tokens)
    data = encode_training_set(config, rows, chat, model.group_tokens, accelerator.device)
    used = len(data.groups) + len(data.heldout)
    run.tell(row_sentence("groups", used, rows.skipped, data.shortened))

    steps = _steps(config, len(data.groups))
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
        return
    found = []
    for part, groups in enumerate((data.groups, data.heldout, data.demonstrations)):
        run.progress("evaluating", part, 3)
        found.append(score_groups(model, layout, groups, data.pad, config.tokens_per_batch))
    scores = Scores(*found)
    if config.learning_curve:
        curve.append(curve_point(len(data.groups), metrics_of(scores.heldout, rows.heldout)))
    _judge_and_publish(
        config,
        run,
        data,
        rows,
        scores,
        {"learning_curve": curve, "steps": steps},
        lambda folder, mean, std: save_reward_model(model, chat, folder, mean, std),
    )


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
    for step in range(start, trainer.steps):
        drawn = shuffled(len(among), config.seed, step * per_step, per_step)
        mine = trainer.shard([among[i] for i in drawn], "groups_per_step")
        groups = [data.groups[i] for i in mine]
        targets = [data.targets[i] for i in mine]
        parts = parts_with_scores(model, layout, groups, targets, data.pad, config.tokens_per_batch)
        read = [part.group for part in parts]  # whole groups, where a pass has room for them
        for chosen in trainer.passes(list(in_budget(read, config.tokens_per_batch, layout))):
            batch = layout([read[i] for i in chosen], data.pad).to(device)
            with autocast(device):
                scores = trainer.module(batch).split([len(read[i].answers) for i in chosen])
                losses = []
                for part, own in zip([parts[i] for i in chosen], scores, strict=True):
                    target, every = part.target, part.with_the_rest(own)
                    whole = target.weight * listwise_loss(every, target.shares, target.margins)
                    losses.append(part.share_of(whole))
                loss = torch.stack(losses).sum() / per_step
            trainer.backward(loss)
        yield step + 1, trainer.step(step)


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
    for part in _nested_parts(len(data.groups), config.seed, trainer.accelerator.num_processes):
        trainer.restart(fresh, _steps(config, len(part)))
        for done, _ in fit(config, trainer, layout, data, part):
            run.progress("evaluating", done, trainer.steps)
        scores = score_groups(model, layout, data.heldout, data.pad, config.tokens_per_batch)
        curve.append(curve_point(len(part), metrics_of(scores, rows.heldout)))
    trainer.set_weights(trained)
    return curve


def _judge_and_publish(
    config: RewardConfig,
    run: RunFolder,
    data: TrainingSet,
    rows: PreferenceData,
    scores: Scores,
    more: dict[str, Any],
    save: Callable[[Path, float, float], None],
) -> None:
    """Judges by the held-out groups, and leaves model and result; `more` joins the metrics."""
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
            **more,
            **row_counts(rows.skipped, data.shortened),
        },
        "gate": reward_gate(scores.heldout, rows.heldout, served, share).report(),
        "samples": samples(rows.heldout, scores.heldout, mean, std),
        "provenance": provenance(config, run),
    }
    run.progress("saving", 0, 1)
    run.publish(Path(config.output), lambda folder: save(folder, mean, std), result)


def _steps(config: RewardConfig, groups: int) -> int:
    per_step = min(config.groups_per_step, groups)
    return max(config.minimum_steps, -(-config.epochs * groups // per_step))


def _nested_parts(groups: int, seed: int, least: int) -> list[list[int]]:
    """A quarter and a half of the groups, in random order, where that leaves `least` or more."""
    order = torch.randperm(groups, generator=torch.Generator().manual_seed(seed)).tolist()
    sizes = dict.fromkeys((groups // 4, groups // 2))
    return [order[:size] for size in sizes if size >= max(1, least)]


if __name__ == "__main__":
    sys.exit(run_script(RewardConfig, train, sys.argv[1:]))
