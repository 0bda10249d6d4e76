"""What a run needs to go on: its newest checkpoint, and what its inputs were by content."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from annotation.exchange.files import (
    MANIFEST,
    complete_or_absent,
    read_json,
    require_room,
    sha256_of,
    write_json,
)
from rewardmodel.learning.configs import Config


@dataclass(frozen=True)
class Checkpoint:
    """Named tensors and what else a run needs to go on after `step` finished steps."""

    step: int
    tensors: dict[str, Tensor]
    state: dict[str, Any]


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Adds a checkpoint to `folder`, then removes the older ones. Raises NoRoom."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"step-{checkpoint.step:08d}"
    if not target.exists():
        tensors = {name: t.detach().cpu().contiguous() for name, t in checkpoint.tensors.items()}
        require_room(folder, sum(tensor.nbytes for tensor in tensors.values()))
        with complete_or_absent(target) as aside:
            save_file(tensors, aside / "tensors.safetensors")
            write_json(aside / "state.json", {"step": checkpoint.step, **checkpoint.state})
    for path in folder.iterdir():
        if path != target:
            shutil.rmtree(path)


def newest_checkpoint(folder: Path) -> Checkpoint | None:
    found = sorted(folder.glob("step-*"))
    if not found:
        return None
    state = read_json(found[-1] / "state.json")
    step = state.pop("step")
    return Checkpoint(step, load_file(found[-1] / "tensors.safetensors"), state)


DATA = ("snapshot", "demonstrations", "pretraining_text")
MODELS = ("base_model", "adapter", "reward_model", "heldout_reward_model", "served", "teacher")


def fingerprints(config: Config) -> dict[str, str]:
    """SHA-256 of each file or folder of data, and of each model that a run made, by field.

    What is not there has none: its reader says so. Neither has a model from elsewhere.
    """
    named = {name: getattr(config, name, None) for name in (*DATA, *MODELS)}
    paths = {name: Path(value) for name, value in named.items() if value}
    made = {name: paths[name] / MANIFEST for name in MODELS if name in paths}
    return {
        **{name: sha256_of(paths[name]) for name in DATA if name in paths and paths[name].exists()},
        **{name: read_json(file)["sha256"] for name, file in made.items() if file.is_file()},
    }


def changed_inputs(now: dict[str, str], file: Path) -> list[str]:
    """Which of them are not what the file says, which an earlier start may have written."""
    before = read_json(file) if file.exists() else now
    return [f"the content of {name} changed" for name in now if now[name] != before.get(name)]
