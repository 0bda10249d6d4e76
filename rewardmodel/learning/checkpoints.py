"""Files that are complete or absent: written aside, synced, renamed; safetensors and JSON only."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from safetensors.torch import load_file, save_file
from torch import Tensor

MANIFEST = "manifest.json"


def write_json(path: Path, content: Any) -> None:
    """Replaces `path` in one step."""
    aside = path.with_name(f".{path.name}.partial")
    with aside.open("w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False, indent=2)
        file.flush()
        os.fsync(file.fileno())
    aside.rename(path)
    _sync(path.parent)


def read_json(path: Path) -> dict[str, Any]:
    return cast(dict[str, Any], json.loads(path.read_text(encoding="utf-8")))


@contextmanager
def complete_or_absent(target: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `target` when the block ends without an error.

    `target` must not exist by then.
    """
    aside = target.with_name(f".{target.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    yield aside
    for path in aside.rglob("*"):
        if path.is_file():
            path.chmod(_mode())
        _sync(path)
    _sync(aside)
    aside.rename(target)
    _sync(target.parent)


def write_manifest(folder: Path) -> str:
    """Writes manifest.json with the SHA-256 of every file; returns the one of them all."""
    files = {
        str(path.relative_to(folder)): sha256_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    whole = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
    write_json(folder / MANIFEST, {"files": files, "sha256": whole})
    return whole


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _mode() -> int:
    """Of a new file here; safetensors makes its own readable by their owner only."""
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class Checkpoint:
    """Named tensors and what else a run needs to go on after `step` finished steps."""

    step: int
    tensors: dict[str, Tensor]
    state: dict[str, Any]


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Adds a checkpoint to `folder`, then removes the older ones."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"step-{checkpoint.step:08d}"
    if not target.exists():
        with complete_or_absent(target) as aside:
            tensors = {
                name: t.detach().cpu().contiguous() for name, t in checkpoint.tensors.items()
            }
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
