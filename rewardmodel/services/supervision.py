"""One training process from start to end: launched, watched, stopped, its outcome recorded."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from annotation.exchange.files import is_disk_full
from config import space
from rewardmodel.learning.core.codes import Code
from rewardmodel.learning.core.gate import Verdict, read_report
from rewardmodel.models import TrainingRun
from rewardmodel.services.claims import beat, claim_run, is_to_be_cancelled
from rewardmodel.services.outcomes import (
    cancel_run,
    complete_run,
    fail_run,
    hand_back,
    try_again,
    wait_for_room,
)

SCRIPTS = {
    TrainingRun.Kind.TEXT: "train_language.py",
    TrainingRun.Kind.DEMONSTRATIONS: "train_language.py",
    TrainingRun.Kind.REWARD: "train_reward.py",
    TrainingRun.Kind.POLICY: "train_policy.py",
    TrainingRun.Kind.PRETRAINING: "compare_pretraining.py",
}
LOOK_EVERY = 1.0  # seconds
PATIENCE = 10.0  # seconds between asking a process to stop and killing it
Found = TypeVar("Found")
logger = logging.getLogger(__name__)


def supervise(run_id: int) -> None:
    """Runs the training of a queued run, or resumes one whose supervisor died.

    Whatever kills this process ends the training process too (its standard input closes), and
    leaves the run to the next supervisor, which goes on from the last checkpoint. A database that
    is away stops nothing: the training goes on, and its course is recorded when it is back.
    """
    run = claim_run(run_id)
    if run is None:
        return
    if run.attempts > TrainingRun.MAX_ATTEMPTS:
        fail_run(run, Verdict(Code.WORKER_DIED))
        return
    with _end_asked() as end_asked:
        _train(run, end_asked)


def _train(run: TrainingRun, end_asked: threading.Event) -> None:
    try:
        process = _launch(run)
    except OSError as problem:
        if not is_disk_full(problem):
            raise
        _once_the_database_answers(partial(wait_for_room, run))
        return
    try:
        outcome = _watch(run, process, end_asked)
    finally:
        _stop(process)
    if outcome is not None:
        _once_the_database_answers(partial(outcome, run))


@contextmanager
def _end_asked() -> Iterator[threading.Event]:
    """Set when this process is asked to end: it hands its run back, and leaves the rest to the
    worker that it is of. That has its processes ignore the signal, and a training started by one
    would ignore it too; where it is handled, a new program starts without.
    """
    asked = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: asked.set())
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTERM, before)


def _launch(run: TrainingRun) -> subprocess.Popen[bytes]:
    run.folder.mkdir(parents=True, exist_ok=True)
    (run.folder / "config.json").write_text(json.dumps(run.config, indent=2))
    script = settings.BASE_FOLDER / "rewardmodel" / "learning" / SCRIPTS[TrainingRun.Kind(run.kind)]
    accelerate = (
        ["--config_file", settings.ACCELERATE_CONFIG]
        if settings.ACCELERATE_CONFIG
        else [
            "--num_processes=1",
            "--num_machines=1",
            "--mixed_precision=no",
        ]
    )
    command = [sys.executable, "-m", "accelerate.commands.launch", *accelerate]
    command += [str(script), "--run-folder", str(run.folder), "--stop-with-parent"]
    with (run.folder / "log.txt").open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _watch(
    run: TrainingRun, process: subprocess.Popen[bytes], end_asked: threading.Event
) -> Callable[[TrainingRun], None] | None:
    """Until the process ended or is to be stopped: what becomes of the run then; None: it is
    another supervisor's."""
    progress = ProgressFile(run.folder / "progress.jsonl")
    while True:
        alive = process.poll() is None
        latest = progress.latest()
        if not _once_the_database_answers(partial(beat, run, latest)):
            return None
        if not alive:
            return _record
        if _once_the_database_answers(partial(is_to_be_cancelled, run)):
            return cancel_run
        if space.free_bytes() < space.RESERVE:
            return wait_for_room
        if end_asked.wait(LOOK_EVERY):
            return hand_back


def _once_the_database_answers(act: Callable[[], Found]) -> Found:
    """The act, tried for as long as the database is away, restarting, locked or out of room."""
    while True:
        try:
            return act()
        except (OperationalError, InterfaceError) as problem:
            logger.warning("The database is away, and the training goes on: %s", problem)
            connection.close()
            time.sleep(LOOK_EVERY)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the process with all its children."""
    for word in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, word)
            process.wait(PATIENCE)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _record(run: TrainingRun) -> None:
    result = _read(run.folder / "result.json")
    failure = _read(run.folder / "failure.json")
    if result is not None:
        complete_run(run, result)
    elif failure is not None and failure.get("code") == Code.DISK_FULL:
        wait_for_room(run, failure["values"]["needed"])
    elif failure is not None:
        fail_run(run, read_report(failure))
    elif space.free_bytes() < space.RESERVE:  # too little, perhaps, for its last words
        wait_for_room(run)
    else:
        try_again(run)


def _read(file: Path) -> dict[str, Any] | None:
    return json.loads(file.read_text()) if file.is_file() else None


class ProgressFile:
    """The lines that a training process appends; each is read once."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.offset = file.stat().st_size if file.is_file() else 0

    def latest(self) -> dict[str, Any] | None:
        """The newest complete line since the last look."""
        if not self.file.is_file():
            return None
        with self.file.open("rb") as lines:
            lines.seek(self.offset)
            new = lines.read()
        end = new.rfind(b"\n") + 1
        if not end:
            return None
        self.offset += end
        line: dict[str, Any] = json.loads(new[:end].splitlines()[-1])
        return line
