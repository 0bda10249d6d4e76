"""Stages 1 and 2: a language model from raw text, then from demonstrations.

    accelerate launch rewardmodel/learning/train_language.py --stage text \
        --snapshot TEXT --preset mini --output FOLDER              (from scratch)
    accelerate launch rewardmodel/learning/train_language.py --stage text \
        --snapshot TEXT --base-model MODEL --output FOLDER         (continuing)
    accelerate launch rewardmodel/learning/train_language.py --stage demonstrations \
        --snapshot demonstrations.jsonl --base-model MODEL --output FOLDER [--adapter PARENT]

Both minimise the mean of -log p(next token): over all tokens of the text (Radford et al. 2018,
equation 1), or over the answers' tokens only (arXiv 2307.09288, section 3.1).
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a file: make the repository importable from anywhere
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from accelerate import Accelerator
from transformers import set_seed

from annotation.exchange.files import read_json, write_json
from rewardmodel.learning.configs import LanguageConfig
from rewardmodel.learning.core.distributed import Processes, autocast
from rewardmodel.learning.core.run_folder import RunFolder, TrainingFailure
from rewardmodel.learning.core.script import provenance, run_script
from rewardmodel.learning.core.text_packing import learned_in, length_of, row_batches
from rewardmodel.learning.core.trainer import Trainer, shuffled
from rewardmodel.learning.language.metrics import LanguageMetrics, language_gate
from rewardmodel.learning.language.model import (
    LanguageModel,
    check,
    peak_learning_rate,
)
from rewardmodel.learning.language.training_set import (
    TrainingSet,
    demonstration_training_set,
    get_tokenizer,
    metrics_to_report,
    text_training_set,
)


def train(config: LanguageConfig, run: RunFolder) -> None:
    """One run from text to result. Raises TrainingFailure and the errors of loading."""
    check(config)
    accelerator = Processes()
    set_seed(config.seed)
    run.progress("loading", 0, 1)
    tokenizer = get_tokenizer(config, run, accelerator)
    model = LanguageModel(config, tokenizer, accelerator.device)
    if config.stage == "text":
        data = text_training_set(config, tokenizer, run, accelerator, model.row_tokens)
    else:
        data = demonstration_training_set(config, tokenizer, model.row_tokens)
        run.tell(data.account)
    if not data.train:
        raise TrainingFailure(f"Nothing to train on in {config.snapshot}.")
    journal = Journal(config, run, model, data, accelerator)
    journal.before()

    per_step = min(config.examples_per_step, len(data.train))
    steps = config.steps or -(-config.epochs * len(data.train) // per_step)
    trainer = Trainer(accelerator, model.losses, config, peak_learning_rate(config), steps)
    start, _ = trainer.resume(run.checkpoints)
    journal.resume(start)
    for step in range(start, steps):
        began = time.monotonic()
        drawn = shuffled(len(data.train), config.seed, step * per_step, per_step)
        examples = [data.train[i] for i in drawn]
        learned = learned_in(examples)
        mine = trainer.shard(examples, "examples_per_step")
        for rows in trainer.passes(
            list(row_batches(mine, model.row_tokens, config.tokens_per_batch))
        ):
            batch = model.layout(rows).to(model.device)
            with autocast(model.device):
                loss = trainer.module(batch).sum() / learned  # -log p, mean over the step's tokens
            trainer.backward(loss)
        updated = trainer.step(step)
        speed = journal.learned(sum(map(length_of, examples)), time.monotonic() - began)
        run.progress("training", step + 1, steps, {**updated, "tokens_per_second": speed})
        if (step + 1) * config.evaluations // steps > step * config.evaluations // steps:
            journal.note(step + 1, steps)
        trainer.save(run.checkpoints, step + 1)
    if accelerator.is_main_process:
        run.progress("saving", 0, 1)
        run.publish(Path(config.output), model.save, journal.result(steps, trainer.peak))


class Journal:
    """What is measured along the way, kept in the run folder so that a resumed run has it too."""

    def __init__(
        self,
        config: LanguageConfig,
        run: RunFolder,
        model: LanguageModel,
        data: TrainingSet,
        accelerator: Accelerator,
    ) -> None:
        self.config, self.run, self.model, self.data = config, run, model, data
        self.accelerator = accelerator
        self.file = run.path / "journal.json"
        self.parent: dict[str, Any] | None = None
        self.notes: list[dict[str, Any]] = []
        self.tokens, self.seconds = 0, 0.0

    def before(self) -> None:
        """The parent's held-out loss and answers, unless an earlier start of the run has them."""
        if not self.config.base_model:
            return
        known = self.file.exists()
        self.accelerator.wait_for_everyone()  # before the main process makes the file
        if known:
            self.parent = read_json(self.file)["parent"]
            return
        self.run.progress("evaluating", 0, 1)
        metrics = self.model.evaluate(self.data.heldout, self.accelerator)
        self.parent = {"metrics": asdict(metrics), "answers": []}
        if self.accelerator.is_main_process:
            self.parent["answers"] = self.model.answers(self.data.prompts)
        self._keep()

    def resume(self, start: int) -> None:
        """Takes up the notes of the steps that are not done again."""
        if self.file.exists():
            notes = read_json(self.file)["notes"]
            self.notes = [note for note in notes if note["step"] <= start]

    def learned(self, tokens: int, seconds: float) -> float:
        """Counts a step's tokens and seconds; returns its tokens a second."""
        self.tokens, self.seconds = self.tokens + tokens, self.seconds + seconds
        return tokens / seconds

    def note(self, step: int, steps: int) -> None:
        """Held-out loss after `step` steps, and with raw text a sample."""
        self.run.progress("evaluating", step, steps)
        metrics = self.model.evaluate(self.data.heldout, self.accelerator)
        note: dict[str, Any] = {"step": step, **asdict(metrics)}
        if self.data.opening and self.accelerator.is_main_process:
            note |= self.model.go_on(self.data.opening)
        self.notes.append(note)
        self._keep()
        if metrics.loss is not None:
            self.run.progress("training", step, steps, {"heldout_loss": metrics.loss})

    def result(self, steps: int, learning_rate: float) -> dict[str, Any]:
        """Everything of result.json but the output."""
        data = self.data
        last = self.notes[-1]
        new = LanguageMetrics(last["tokens"], last["loss"], last["perplexity"])
        parent = None if self.parent is None else LanguageMetrics(**self.parent["metrics"])
        before = None if parent is None else metrics_to_report(parent, data)
        return {
            "metrics": {
                "stage": self.config.stage,
                "parent": before,
                "new": metrics_to_report(new, data),
                **data.facts,
                "steps": steps,
                "learning_rate": learning_rate,
                "trained_weights": self.model.trained,
                "tokens_per_second": self.tokens / self.seconds if self.seconds else None,
                "curve": [[note["step"], note["loss"]] for note in self.notes],
            },
            "gate": language_gate(parent, new, data.facts["unigram_entropy"]).report(),
            "samples": self._samples(),
            "provenance": provenance(self.config, self.run),
        }

    def _samples(self) -> list[dict[str, Any]]:
        """Text along the way, or the same prompts answered before and after."""
        if self.parent is None or not self.data.prompts:
            names = ("step", "loss", "prompt", "text")
            return [{name: note[name] for name in names} for note in self.notes if "text" in note]
        self.run.progress("sampling", 0, 1)
        after = self.model.answers(self.data.prompts)
        triples = zip(self.data.prompts, self.parent["answers"], after, strict=True)
        return [{"prompt": p, "before": old, "after": new} for p, old, new in triples]

    def _keep(self) -> None:
        if self.run.writes:
            write_json(self.file, {"parent": self.parent, "notes": self.notes})


if __name__ == "__main__":
    sys.exit(run_script(LanguageConfig, train, sys.argv[1:]))
