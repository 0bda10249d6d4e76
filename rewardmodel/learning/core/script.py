"""What every training script shares: how a run starts, fails, and says what made its result."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import distributed
from transformers.utils import logging as transformers_logging

from annotation.exchange.files import is_disk_full, read_json, write_json
from annotation.lm.chat import ChatError
from annotation.lm.loading import PolicyUnavailable, brief, is_out_of_memory
from annotation.lm.openai_server import ServerUnavailable
from rewardmodel.learning.configs import (
    AnyConfig,
    Config,
    ConfigError,
    changes,
    parse_flags,
    read_config,
)
from rewardmodel.learning.core.checkpoints import changed_inputs, fingerprints
from rewardmodel.learning.core.codes import Code
from rewardmodel.learning.core.gate import Reason, Verdict, word
from rewardmodel.learning.core.run_folder import RunFolder, TrainingFailure, stop_with_parent
from rewardmodel.learning.core.snapshot_rows import SnapshotError

LIBRARIES = ("torch", "transformers", "peft", "accelerate", "safetensors", "tokenizers")
INTERRUPTED = 130
EXPECTED = (
    *(TrainingFailure, SnapshotError, PolicyUnavailable, ServerUnavailable),
    *(ChatError, ConfigError),
)


def run_script(
    kind: type[AnyConfig], train: Callable[[AnyConfig, RunFolder], None], arguments: list[str]
) -> int:
    """Runs one stage by the run-folder protocol; returns the exit code."""
    flags = parse_flags(kind, arguments)
    if flags.stop_with_parent:
        stop_with_parent()
    use_all_cores()
    quieten_libraries()
    folder = RunFolder(flags.run_folder, rank=int(os.environ.get("RANK", "0")))
    try:
        with folder:
            if folder.writes and not flags.stop_with_parent:
                print(f"Working in {folder.path}: progress.jsonl there says how far.", flush=True)
            reason = _failure(lambda: run_in(read_config(kind, flags), folder, train), folder)
            if reason is not None:
                folder.fail(reason)
    except TrainingFailure as error:  # the folder is another process's: leave it as it is
        reason = str(error)
    except KeyboardInterrupt:
        print("Stopped. The same command goes on from the last checkpoint.", file=sys.stderr)
        return INTERRUPTED
    if reason is not None:
        print(word(reason), file=sys.stderr)
        return 1
    if distributed.is_initialized():  # not after a failure: the others may wait for this one
        distributed.destroy_process_group()
    if folder.writes:
        print(_outcome(folder))
    return 0


def _outcome(folder: RunFolder) -> str:
    """The finished run's last words to whoever started it by hand."""
    result = read_json(folder.result)
    return f"{result['output'] or folder.result}: {result['gate']['reason']}"


def run_in(
    config: AnyConfig, folder: RunFolder, train: Callable[[AnyConfig, RunFolder], None]
) -> None:
    """In a folder that is locked: from where it stopped, or not at all where it has its result.

    Raises one of EXPECTED.
    """
    finished = folder.finished(Path(config.output))
    if folder.writes:
        _claim(config, folder, finished)
    if not finished:
        train(config, folder)
    if folder.writes:
        folder.drop_checkpoints()


def _claim(config: Config, folder: RunFolder, finished: bool) -> None:
    """Makes the folder this command's own. Raises TrainingFailure where it is another one's."""
    inputs, output = fingerprints(config), Path(config.output)
    changed = [*changes(config, folder.path), *changed_inputs(inputs, folder.inputs)]
    if changed and (finished or any(folder.checkpoints.glob("step-*"))):
        what = "the result" if finished else "a checkpoint"
        raise TrainingFailure(
            f"{folder.path} holds {what} of another command ({', '.join(changed)}): "
            "name another --output or --run-folder, or delete that folder."
        )
    if finished:
        if read_json(folder.result)["output"] and not output.exists():
            raise TrainingFailure(
                f"{output} was made and is gone; delete {folder.path} to make it again."
            )
        return
    if output.exists():
        raise TrainingFailure(f"The output folder {output} exists already; name another one.")
    if changed:
        folder.start_anew()
    write_json(folder.path / "config.json", asdict(config))
    write_json(folder.inputs, inputs)


def _failure(work: Callable[[], None], folder: RunFolder) -> Reason | None:
    """Does the work; returns the reason of an expected failure. Any other is written down too."""
    try:
        work()
    except EXPECTED as error:
        return str(error)
    except Exception as error:
        if is_out_of_memory(error):
            return Verdict(Code.OUT_OF_MEMORY)
        if is_disk_full(error):
            return Verdict(Code.DISK_FULL, {"needed": getattr(error, "needed", 0)})
        reason = f"The run broke off with {type(error).__name__}: {brief(error)}"
        folder.fail(reason, foreseen=False)
        raise
    return None


def use_all_cores() -> None:
    """Undoes the one thread that `accelerate launch` sets for a process on the CPU.

    Started in any other way, OMP_NUM_THREADS holds.
    """
    if "ACCELERATE_MIXED_PRECISION" not in os.environ:
        return
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // processes))


def quieten_libraries() -> None:
    """Takes out what transformers says of a fresh head, of progress and of its own next version."""
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")


def provenance(config: Config, run: RunFolder) -> dict[str, Any]:
    """Libraries, commit, machine, configuration and inputs, for result.json."""
    return {
        "libraries": {
            "python": platform.python_version(),
            **{name: version(name) for name in LIBRARIES},
        },
        "commit": _commit(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "config": asdict(config),
        "inputs": read_json(run.inputs),
    }


def _commit() -> str | None:
    """The commit of this code; None where it does not lie in a git checkout with commits."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return None
    return found.stdout.strip() if found.returncode == 0 else None
