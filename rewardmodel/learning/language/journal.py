"""What a language model's training measures along the way, and what its result says of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from annotation.exchange.files import read_json, write_json
from rewardmodel.learning.configs import LanguageConfig
from rewardmodel.learning.core.distributed import Processes
from rewardmodel.learning.core.gate import Gate
from rewardmodel.learning.core.run_folder import RunFolder
from rewardmodel.learning.core.script import provenance
from rewardmodel.learning.core.text_packing import learned_in
from rewardmodel.learning.language.metrics import (
    LanguageMetrics,
    language_gate,
    language_metrics,
    sums_of,
)
from rewardmodel.learning.language.model import LanguageModel
from rewardmodel.learning.language.training_set import TrainingSet, metrics_to_report


class Journal:
    """Held-out loss and samples, kept in the run folder so that a resumed run has them too."""

    def __init__(
        self,
        config: LanguageConfig,
        run: RunFolder,
        model: LanguageModel,
        data: TrainingSet,
        accelerator: Processes,
    ) -> None:
        self.config, self.run, self.model, self.data = config, run, model, data
        self.accelerator = accelerator
        self.file = run.path / "journal.json"
        self.parent: dict[str, Any] | None = None
        self.notes: list[dict[str, Any]] = []
        self.sums: list[float] = []  # of the newest note
        self.entropy: float | None = None  # of the same, summed
        self.tokens, self.seconds = 0, 0.0

    def before(self) -> None:
        """The parent's held-out loss and answers, unless an earlier start of the run has them."""
        if not self.config.base_model:
            return
        kept = read_json(self.file) if self.file.exists() else {}
        self.accelerator.wait_for_everyone()  # before the main process makes the file
        if "sums" in kept:
            self.parent = kept["parent"]
            return
        self.notes = kept.get("notes", [])  # of an earlier version, which kept no sums
        self.run.progress("evaluating", 0, 1)
        sums, entropy = self.model.evaluate(self.data.heldout, self.accelerator)
        self.parent = {"sums": sums, "entropy": entropy, "answers": []}
        if self.accelerator.is_main_process:
            self.parent["answers"] = self.model.answers(self.data.prompts)
        self._keep()

    def resume(self, start: int, steps: int) -> None:
        """Takes up the notes of the steps that are not done again."""
        if self.file.exists():
            kept = read_json(self.file)
            self.notes = [note for note in kept["notes"] if note["step"] <= start]
            self.sums, self.entropy = kept.get("sums", []), kept.get("entropy")
        if start == steps and not self.sums:  # no note is to come
            self._evaluate()

    def learned(self, tokens: int, seconds: float) -> float:
        """Counts a step's tokens and seconds; returns its tokens a second."""
        self.tokens, self.seconds = self.tokens + tokens, self.seconds + seconds
        return tokens / seconds

    def note(self, step: int, steps: int) -> None:
        """Held-out loss after `step` steps, and with raw text a sample."""
        self.run.progress("evaluating", step, steps)
        self._evaluate()
        metrics = self._metrics(self.sums, self.entropy)
        note: dict[str, Any] = {"step": step, **asdict(metrics)}
        if self.data.opening and self.accelerator.is_main_process:
            note |= self.model.go_on(self.data.opening)
        self.notes.append(note)
        self._keep()
        if metrics.loss is not None and metrics.next_token_entropy is not None:
            told = {"heldout_loss": metrics.loss, "heldout_entropy": metrics.next_token_entropy}
            self.run.progress("training", step, steps, told)

    def _evaluate(self) -> None:
        self.sums, self.entropy = self.model.evaluate(self.data.heldout, self.accelerator)

    def result(self, steps: int, learning_rate: float) -> dict[str, Any]:
        """Everything of result.json but the output."""
        data = self.data
        before = parent = None
        if self.parent is not None:
            parent = self.parent["sums"]
            before = self._report(parent, self.parent.get("entropy"))
        return {
            "metrics": {
                "stage": self.config.stage,
                "parent": before,
                "new": self._report(self.sums, self.entropy),
                **data.facts,
                "steps": steps,
                "learning_rate": learning_rate,
                "trained_weights": self.model.trained,
                "tokens_per_second": self.tokens / self.seconds if self.seconds else None,
                "curve": [[note["step"], note["loss"]] for note in self.notes],
            },
            "gate": self._gate(parent).report(),
            "samples": self._samples(),
            "provenance": provenance(self.config, self.run),
        }

    def _gate(self, parent: list[float] | None) -> Gate:
        units, counts = self.data.units, [learned_in([each]) for each in self.data.heldout]
        return language_gate(
            None if parent is None else sums_of(units, parent),
            sums_of(units, self.sums),
            sums_of(units, counts),
            self.data.facts["unigram_entropy"],
        )

    def _metrics(self, sums: list[float], entropy: float | None) -> LanguageMetrics:
        return language_metrics(sums, learned_in(self.data.heldout), entropy)

    def _report(self, sums: list[float], entropy: float | None) -> dict[str, Any]:
        return metrics_to_report(self._metrics(sums, entropy), self.data)

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
            newest = {"sums": self.sums, "entropy": self.entropy}
            write_json(self.file, {"parent": self.parent, "notes": self.notes, **newest})
