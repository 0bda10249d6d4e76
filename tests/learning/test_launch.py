"""The training scripts as the supervisor starts them: real processes, real kills."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.learning.conftest import Rows, shorter_is_better

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "rewardmodel" / "learning" / "train_reward.py"
PATIENCE = 120.0


@pytest.fixture
def run_folder(tiny: Path, tmp_path: Path, write_rows: Callable[[Rows], Path]) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    config = {
        "snapshot": str(write_rows(shorter_is_better(12))),
        "base_model": str(tiny),
        "output": str(tmp_path / "model"),
        "method": "finetune",
        "minimum_steps": 3,
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@contextmanager
def launched(run_folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """accelerate launch, from a directory that is not the repository, in its own group."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "accelerate.commands.launch", "--num_processes=1"),
            *(str(SCRIPT), "--run-folder", str(run_folder), "--stop-with-parent"),
        ],
        cwd=run_folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdin is not None:
            process.stdin.close()


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.05)


def said(run_folder: Path, phase: str) -> bool:
    progress = run_folder / "progress.jsonl"
    return progress.exists() and f'"phase": "{phase}"' in progress.read_text()


def lengthen(run_folder: Path) -> None:
    config = json.loads((run_folder / "config.json").read_text())
    (run_folder / "config.json").write_text(json.dumps({**config, "minimum_steps": 100_000}))


def test_a_run_folder_is_all_that_a_launch_needs(run_folder: Path, tmp_path: Path) -> None:
    with launched(run_folder) as process:
        process.wait(PATIENCE)
        assert process.returncode == 0
    assert json.loads((run_folder / "result.json").read_text())["output"] == str(tmp_path / "model")


def test_when_the_supervisor_dies_the_training_ends(run_folder: Path) -> None:
    lengthen(run_folder)
    with launched(run_folder) as process:
        wait_until(lambda: said(run_folder, "training"))
        assert process.stdin is not None
        process.stdin.close()
        process.wait(PATIENCE)
        assert process.returncode != 0
        wait_until(lambda: lock_is_free(run_folder))
    assert not (run_folder / "result.json").exists()


def test_a_killed_run_goes_on_from_its_checkpoint(run_folder: Path, tmp_path: Path) -> None:
    config = json.loads((run_folder / "config.json").read_text())
    (run_folder / "config.json").write_text(
        json.dumps({**config, "minimum_steps": 30, "checkpoint_every": 1})
    )
    checkpoints = run_folder / "checkpoints"
    with launched(run_folder) as process:
        wait_until(lambda: any(checkpoints.glob("step-*")))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)
    assert not (tmp_path / "model").exists()
    lines_before = len((run_folder / "progress.jsonl").read_text().splitlines())
    with launched(run_folder) as process:
        process.wait(PATIENCE)
        assert process.returncode == 0
    lines = (run_folder / "progress.jsonl").read_text().splitlines()[lines_before:]
    steps = [json.loads(line)["step"] for line in lines if '"training"' in line]
    assert steps[0] > 1
    assert (tmp_path / "model" / "manifest.json").exists()


def lock_is_free(run_folder: Path) -> bool:
    with (run_folder / "lock").open("r") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
