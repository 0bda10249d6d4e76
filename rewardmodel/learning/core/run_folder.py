"""The run folder: how a training process and whoever supervises it speak through files.

config.json      what to do, from the supervisor or the command line; once started, in full. Flags
                 that say otherwise start anew, and are refused where there is a checkpoint
inputs.json      what its data and models were, by content (checkpoints.py); the same goes for them
progress.jsonl   {"time", "phase", "step", "total", "metrics"}, a line at least every few seconds
checkpoints/     the newest checkpoint; a run started again in the same folder goes on from it
result.json      written last; a run that has one is finished and is not run again. Its `output`
                 is the folder made, or null when the run is a report and makes no version
tensorboard/     the metrics once more, and on an MLflow server, where those are (trackers.py)
failure.json     {"reason"}: one sentence, with exit code 1, and {"code", "values"} where it has a
                 code (gate.py); any process of the run may write it
lock             held while a process works in the folder
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from torch import distributed

from annotation.exchange.files import (
    MANIFEST,
    complete_or_absent,
    read_json,
    write_json,
    write_manifest,
)
from rewardmodel.learning.core.gate import Reason, report
from rewardmodel.learning.core.trackers import Trackers

HEARTBEAT_SECONDS = 3.0


class TrainingFailure(Exception):
    """A run that cannot go on; the text is one sentence that says why and what to do."""


class RunFolder(AbstractContextManager["RunFolder"]):
    """One run's folder, locked between enter and exit, beating while it is.

    Only the main process of a distributed run, of rank 0, locks and writes; the others hold a
    silent one, but may say why they failed.
    """

    def __init__(self, path: Path, rank: int = 0) -> None:
        self.path = path
        self.rank = rank
        self._lock: TextIO | None = None
        self._progress: TextIO | None = None
        self._trackers: Trackers | None = None
        self._last: dict[str, Any] = {}
        self._writing = threading.Lock()
        self._stopped = threading.Event()

    @property
    def writes(self) -> bool:
        return self.rank == 0

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def result(self) -> Path:
        return self.path / "result.json"

    def finished(self, output: Path) -> bool:
        """Whether there is a result: also when a kill came between the output and its result.

        All processes are told the same, whether or not the main one has mended that yet.
        """
        pending = self.path / "result.pending.json"
        try:
            made = read_json(pending)["sha256"] == read_json(output / MANIFEST)["sha256"]
        except (FileNotFoundError, NotADirectoryError):  # also when it was renamed meanwhile
            made = False
        if made and self.writes:
            pending.rename(self.result)
        return made or self.result.exists()

    @property
    def inputs(self) -> Path:
        return self.path / "inputs.json"

    def start_anew(self) -> None:
        """Removes what another command made before its first checkpoint."""
        for path in self.path.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
        (self.path / "journal.json").unlink(missing_ok=True)

    def __enter__(self) -> RunFolder:
        if not self.writes:
            return self
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = (self.path / "lock").open("w", encoding="utf-8")
        except OSError as error:
            raise TrainingFailure(f"{self.path} cannot be written: {error.strerror}.") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise TrainingFailure(f"Another process is working in {self.path}.") from error
        (self.path / "failure.json").unlink(missing_ok=True)
        self._progress = (self.path / "progress.jsonl").open("a", encoding="utf-8")
        threading.Thread(target=self._beat, daemon=True).start()
        self._trackers = Trackers(self.path)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped.set()
        if self._trackers is not None:
            self._trackers.close(self.result.exists())
        with self._writing:
            for file in (self._progress, self._lock):
                if file is not None:
                    file.close()
            self._progress = self._lock = None

    def progress(
        self, phase: str, step: int, total: int, metrics: dict[str, float] | None = None
    ) -> None:
        require_finite(metrics or {}, phase)
        self._last = {"phase": phase, "step": step, "total": total, "metrics": metrics or {}}
        self._write_progress()
        if self._trackers is not None:
            self._trackers.log(phase, step, metrics or {})

    def tell(self, sentence: str) -> None:
        """For whoever started the run, on the terminal; said once, by the main process."""
        if self.writes:
            print(sentence, file=sys.stderr, flush=True)

    def publish(self, output: Path, fill: Callable[[Path], None], result: dict[str, Any]) -> None:
        """Makes the output folder, complete with its manifest, then result.json.

        `fill` writes the output's files into the folder that it is given. Raises TrainingFailure
        when anything measured is not finite.
        """
        require_finite({"metrics": result["metrics"], "samples": result["samples"]})
        pending = self.path / "result.pending.json"
        with complete_or_absent(output) as aside:
            fill(aside)
            sha256 = write_manifest(aside)
            write_json(pending, {**result, "output": str(output.absolute()), "sha256": sha256})
        pending.rename(self.result)

    def report(self, result: dict[str, Any]) -> None:
        """result.json of a run that makes no version: its `output` and `sha256` are null.

        Raises TrainingFailure when anything measured is not finite.
        """
        require_finite({"metrics": result["metrics"], "samples": result["samples"]})
        write_json(self.result, {**result, "output": None, "sha256": None})

    def fail(self, reason: Reason, *, foreseen: bool = True) -> None:
        """Says why the run ended. When several processes do, the last one's reason stays, but one
        that was not foreseen replaces none: the others break when one ends."""
        said = self.path / "failure.json"
        if not self._is_ours() or (said.exists() and not foreseen):
            return
        aside = self.path / f".failure-{self.rank}.json"
        write_json(aside, report(reason))
        aside.rename(said)

    def drop_checkpoints(self) -> None:
        """A finished run goes on from nothing."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)

    def _is_ours(self) -> bool:
        """Whether this process knows that its run has the lock: processes meet only after that."""
        return self.writes or distributed.is_initialized()

    def _beat(self) -> None:
        while not self._stopped.wait(HEARTBEAT_SECONDS):
            if self._last:
                with suppress(OSError):  # a full disk ends the training where that writes
                    self._write_progress()

    def _write_progress(self) -> None:
        with self._writing:
            if self._progress is not None:
                self._progress.write(json.dumps({"time": time.time(), **self._last}) + "\n")
                self._progress.flush()


def require_finite(measured: Any, name: str = "") -> None:
    """Raises TrainingFailure, which names it, for any number inside that is not finite."""
    if isinstance(measured, float) and not math.isfinite(measured):
        raise TrainingFailure(
            f"{name} is {measured}, and nothing can be judged by that: lower learning_rate, or "
            "look for broken weights in the models that the run was given."
        )
    parts: Iterable[tuple[Any, Any]] = ()
    if isinstance(measured, Mapping):
        parts = measured.items()
    elif isinstance(measured, list | tuple):
        parts = enumerate(measured)
    for key, part in parts:
        require_finite(part, f"{name}.{key}" if name else str(key))


def stop_with_parent() -> None:
    """Ends this process at once when standard input ends.

    The supervisor holds the other end of the pipe, so that its death, even by SIGKILL, leaves no
    training process behind.
    """

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os._exit(3)

    threading.Thread(target=watch, daemon=True).start()
