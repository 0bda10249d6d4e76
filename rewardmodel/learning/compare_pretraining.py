"""What pretraining helps: stages 2 and 3 from a pretrained and from a fresh model of its shape.

    accelerate launch rewardmodel/learning/compare_pretraining.py --snapshot groups.jsonl \
        --demonstrations demonstrations.jsonl --base-model MODEL --output FOLDER

Four trainings, one after the other, by the scripts of these stages; what came of each is kept as
soon as it has ended, and its model is not. Only the report is left, in the run folder.
"""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a file: make the repository importable from anywhere
    sys.path[0] = str(Path(__file__).resolve().parents[2])
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin starve a busy machine

from annotation.exchange.files import complete_or_absent, read_json, write_json
from annotation.lm.loading import load_tokenizer
from rewardmodel.learning import train_language, train_reward
from rewardmodel.learning.configs import (
    AnyConfig,
    LanguageConfig,
    PretrainingConfig,
    RewardConfig,
)
from rewardmodel.learning.core.codes import Code
from rewardmodel.learning.core.distributed import Processes
from rewardmodel.learning.core.gate import Gate, Verdict, as_json, read_report
from rewardmodel.learning.core.run_folder import RunFolder, TrainingFailure
from rewardmodel.learning.core.script import provenance, run_in, run_script
from rewardmodel.learning.language.from_scratch import fresh_like

SAMPLES = 4
SHARED = (
    *("seed", "heldout_percent", "gradient_clip", "final_learning_rate", "tokens_per_batch"),
    *("checkpoint_every", "gradient_checkpointing", "weight_decay"),
)
OF_LANGUAGE = (
    *("steps", "examples_per_step", "evaluations", "heldout_examples", "block_tokens"),
    *("max_new_tokens", "adam_epsilon", "warmup"),
)
OF_REWARD = ("method", "group_tokens")


def compare(config: PretrainingConfig, run: RunFolder) -> None:
    """One run from data to report. Raises TrainingFailure and the errors of loading."""
    accelerator = Processes()
    run.progress("loading", 0, 1)
    fresh = run.path / "parts" / "fresh"
    if accelerator.is_main_process and not fresh.exists():
        with complete_or_absent(fresh) as aside:
            fresh_like(config.base_model, config.seed).save_pretrained(aside)
            load_tokenizer(config.base_model).save_pretrained(aside)
    accelerator.wait_for_everyone()
    models = {"pretrained": config.base_model, "fresh": str(fresh)}
    rates = {"pretrained": config.learning_rate, "fresh": config.fresh_learning_rate}
    supervised = {
        start: _supervised(config, models[start], rates[start], Part(run, "supervised", start))
        for start in models
    }
    judging = {
        start: _reward(config, models[start], rates[start], Part(run, "reward", start))
        for start in models
    }
    if accelerator.is_main_process:
        _report(config, run, supervised, judging)
        shutil.rmtree(run.path / "parts")


class Part(RunFolder):
    """The run folder of one training, inside the whole run's, which is told how far it is."""

    def __init__(self, whole: RunFolder, stage: str, start: str) -> None:
        self.whole, self.name = whole, f"{stage}-{start}"
        super().__init__(whole.path / "parts" / f"{self.name}.run", whole.rank)
        self.output = self.path.with_suffix(".model")

    def progress(
        self, phase: str, step: int, total: int, metrics: dict[str, float] | None = None
    ) -> None:
        super().progress(phase, step, total, metrics)
        told = {"loss", "heldout_loss"}
        own = {f"{self.name}_{name}": v for name, v in (metrics or {}).items() if name in told}
        self.whole.progress(phase, step, total, own)

    def train(
        self, config: AnyConfig, train: Callable[[AnyConfig, RunFolder], None]
    ) -> dict[str, Any]:
        """What came of it, by now or before: that is kept, its model is not. Nothing for processes
        that do not write."""
        kept = self.path.with_suffix(".json")
        if not kept.exists():
            with self:
                run_in(config, self, train)
            gc.collect()
        if not self.writes:
            return {}
        if not kept.exists():
            write_json(kept, read_json(self.result))
        for folder in (self.path, self.output):
            shutil.rmtree(folder, ignore_errors=True)
        return dict(read_json(kept))


def _supervised(config: PretrainingConfig, model: str, rate: float, part: Part) -> dict[str, Any]:
    settings = LanguageConfig(
        **{name: getattr(config, name) for name in (*SHARED, *OF_LANGUAGE)},
        stage="demonstrations",
        snapshot=config.demonstrations,
        base_model=model,
        output=str(part.output),
        full=True,
        learning_rate=rate,
    )
    found = part.train(settings, train_language.train)
    require_held_out(found and found["metrics"]["new"]["loss"], "demonstrations")
    return found


def _reward(config: PretrainingConfig, model: str, rate: float, part: Part) -> dict[str, Any]:
    settings = RewardConfig(
        **{name: getattr(config, name) for name in (*SHARED, *OF_REWARD)},
        snapshot=config.snapshot,
        base_model=model,
        output=str(part.output),
        full=True,
        learning_rate=rate,
        learning_curve=True,
    )
    found = part.train(settings, train_reward.train)
    require_held_out(found and found["metrics"]["heldout"]["accuracy"], "ranked groups")
    return found


def require_held_out(figure: Any, rows: str) -> None:
    if figure is None:
        raise TrainingFailure(
            f"Nothing is held out to compare by: give more {rows}, or raise heldout_percent."
        )


def _report(
    config: PretrainingConfig,
    run: RunFolder,
    supervised: Mapping[str, dict[str, Any]],
    judging: Mapping[str, dict[str, Any]],
) -> None:
    losses = {start: found["metrics"]["new"]["loss"] for start, found in supervised.items()}
    heldout = {start: found["metrics"]["heldout"] for start, found in judging.items()}
    accuracies = {start: each["accuracy"] for start, each in heldout.items()}
    figures = {
        start: {
            "loss": losses[start],
            "accuracy": accuracies[start],
            "log_loss": heldout[start]["log_loss"],
            **_without_length(judging[start]["metrics"]),
            "verdict": as_json(read_report(judging[start]["gate"])),
        }
        for start in losses
    }
    values = {
        **{"steps": config.steps, "loss": losses["pretrained"], "fresh_loss": losses["fresh"]},
        **{"accuracy": accuracies["pretrained"], "fresh_accuracy": accuracies["fresh"]},
        "pairs": heldout["fresh"]["pairs"],
    }
    either = supervised["fresh"]["metrics"]
    run.report(
        {
            "metrics": {
                **figures,
                "unigram_entropy": either["unigram_entropy"],
                "weights": either["trained_weights"],
                "steps": config.steps,
                "train_conversations": either["train_conversations"],
                "train_groups": judging["fresh"]["metrics"]["train"]["groups"],
                "pairs": heldout["fresh"]["pairs"],
                "loss_curves": {start: loss_curve(found) for start, found in supervised.items()},
                "learning_curves": {
                    start: found["metrics"]["learning_curve"] for start, found in judging.items()
                },
                "samples": _samples(supervised),
            },
            "gate": Gate(False, Verdict(Code.PRETRAINING_REPORT, values)).report(),
            "samples": [],
            "provenance": provenance(config, run),
        }
    )


def _without_length(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What a head makes of the answers beside their lengths, which a fresh model tells as well."""
    found = metrics.get("heldout_without_length")
    return {"heldout_without_length": {"accuracy": found["accuracy"]}} if found else {}


def loss_curve(found: Mapping[str, Any]) -> list[list[float]]:
    """[step, held-out loss], from before the first step on."""
    metrics = found["metrics"]
    return [[0, metrics["parent"]["loss"]], *metrics["curve"]]


def _samples(supervised: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Held-out prompts, each answered after the supervised training from either start."""
    both = zip(*(found["samples"] for found in supervised.values()), strict=True)
    return [
        {
            "prompt": one["prompt"],
            **{start: each["after"] for start, each in zip(supervised, (one, other), strict=True)},
        }
        for one, other in list(both)[:SAMPLES]
    ]


if __name__ == "__main__":
    sys.exit(run_script(PretrainingConfig, compare, sys.argv[1:]))
