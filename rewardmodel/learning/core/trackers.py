"""Where a run's metrics go beside progress.jsonl: TensorBoard's files, where that is installed, and
an MLflow server, where MLFLOW_TRACKING_URI names one (requirements-tracking.txt).

Each has a thread of its own: a server that is slow or away costs a training nothing.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from annotation.exchange.files import read_json, write_json

EXPERIMENT = "laoshi"
PATIENCE = 10.0  # seconds that the end of a run waits for what is not told yet
QUICKLY = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""Unless the environment says otherwise. Nothing is told to anybody but the server."""


@dataclass(frozen=True)
class Measured:
    """What a run reported at a step; names have the phase before them, as in training/loss."""

    step: int
    metrics: dict[str, float]
    time: float


class Tracker(Protocol):
    def log(self, measured: Measured) -> None: ...

    def close(self, succeeded: bool) -> None: ...


class Trackers:
    """All that the machine has, for the run in a folder; opened at its first metrics."""

    def __init__(self, folder: Path) -> None:
        self._threads = [_Thread(open_tracker, folder) for open_tracker in _installed()]

    def log(self, phase: str, step: int, metrics: dict[str, float]) -> None:
        named = {f"{phase}/{name}": float(value) for name, value in metrics.items()}
        for thread in self._threads if named else ():
            thread.put(Measured(step, named, time.time()))

    def close(self, succeeded: bool) -> None:
        until = time.monotonic() + PATIENCE
        for thread in self._threads:
            thread.put(succeeded)
        for thread in self._threads:
            thread.end(max(0.0, until - time.monotonic()))


class _Thread:
    """Tells a tracker what is put, in order; whatever breaks there ends this and nothing else."""

    def __init__(self, open_tracker: Callable[[Path], Tracker], folder: Path) -> None:
        self._open, self._folder = open_tracker, folder
        self._waiting: queue.Queue[Measured | bool] = queue.Queue()
        self._thread: threading.Thread | None = None

    def put(self, said: Measured | bool) -> None:
        if self._thread is None and isinstance(said, Measured):
            self._thread = threading.Thread(target=self._tell, daemon=True)
            self._thread.start()
        self._waiting.put(said)

    def end(self, patience: float) -> None:
        if self._thread is not None:
            self._thread.join(patience)

    def _tell(self) -> None:
        tracker = self._open(self._folder)
        while isinstance(said := self._waiting.get(), Measured):
            tracker.log(said)
        tracker.close(said)


def _installed() -> list[Callable[[Path], Tracker]]:
    found: list[Callable[[Path], Tracker]] = []
    if find_spec("tensorboard"):
        found.append(TensorBoard)
    if os.environ.get("MLFLOW_TRACKING_URI"):
        if find_spec("mlflow"):
            found.append(MLflow)
        else:
            _say("MLFLOW_TRACKING_URI is set, but mlflow-skinny is not installed.")
    return found


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


class TensorBoard:
    """Files in RUN_FOLDER/tensorboard."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(folder / "tensorboard")

    def log(self, measured: Measured) -> None:
        for name, value in measured.metrics.items():
            self._writer.add_scalar(name, value, measured.step, measured.time)
        self._writer.flush()

    def close(self, succeeded: bool) -> None:
        self._writer.close()


class MLflow:
    """A run of the experiment "laoshi", or MLFLOW_EXPERIMENT_NAME; one that goes on is the same.

    What cannot be told is said once in the log, and is tried with the next metrics.
    """

    def __init__(self, folder: Path) -> None:
        for name, value in QUICKLY.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        self._folder, self._known = folder, folder / "mlflow.json"
        self._client, self._run = MlflowClient(), ""
        self._untold: list[Measured] = []
        self._is_away = False

    def log(self, measured: Measured) -> None:
        self._untold.append(measured)
        self._try(self._tell)

    def close(self, succeeded: bool) -> None:
        if self._untold:
            self._try(self._tell)
        if self._run:
            status = "FINISHED" if succeeded else "FAILED"
            self._try(lambda: self._client.set_terminated(self._run, status))

    def _try(self, act: Callable[[], None]) -> None:
        from mlflow.exceptions import MlflowException

        try:
            act()
            self._is_away = False
        except (MlflowException, OSError) as problem:
            if not self._is_away:
                _say(f"MLflow cannot be told: {str(problem)[:300]}")
            self._is_away = True

    def _tell(self) -> None:
        from mlflow.entities import Metric

        self._run = self._run or self._begin()
        while self._untold:
            said = self._untold[0]
            at = round(said.time * 1000)
            metrics = [Metric(name, value, at, said.step) for name, value in said.metrics.items()]
            self._client.log_batch(self._run, metrics=metrics)
            self._untold.pop(0)

    def _begin(self) -> str:
        """The number of this run there, with its configuration."""
        if self._known.exists():
            return str(read_json(self._known)["run"])
        from mlflow.entities import Param

        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        known = self._client.get_experiment_by_name(name)
        experiment = known.experiment_id if known else self._client.create_experiment(name)
        run = str(self._client.create_run(experiment, run_name=self._folder.name).info.run_id)
        write_json(self._known, {"run": run})
        config = self._folder / "config.json"
        values: dict[str, Any] = read_json(config) if config.exists() else {}
        params = [Param(key, str(value)[:500]) for key, value in values.items()]
        self._client.log_batch(run, params=params)
        return run
