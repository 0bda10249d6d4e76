"""Files that are complete or absent: written aside, synced, renamed; and what identifies them."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

MANIFEST = "manifest.json"
FULL = (errno.ENOSPC, errno.EDQUOT)


class NoRoom(OSError):
    """The disk has no room for what is to be written: `needed` bytes."""

    def __init__(self, folder: Path, needed: int) -> None:
        super().__init__(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
        self.needed = needed


def is_disk_full(error: BaseException) -> bool:
    """Whether a write failed for want of room (the types of safetensors and databases say it)."""
    texts = ("No space left on device", "disk is full", "Disk quota exceeded")
    is_known = isinstance(error, OSError) and error.errno in FULL
    return is_known or any(text in str(error) for text in texts)


def require_room(folder: Path, needed: int) -> None:
    """Raises NoRoom unless so many bytes are free there."""
    if shutil.disk_usage(folder).free < needed:
        raise NoRoom(folder, needed)


def visible_files(source: Path) -> list[Path]:
    """The file itself, or every file in the folder but hidden ones, in order; none: an empty
    list."""
    if source.is_file():
        return [source]
    return sorted(
        path
        for path in source.rglob("*")
        if path.is_file() and not any(p.startswith(".") for p in path.relative_to(source).parts)
    )


def sha256_of(source: Path) -> str:
    """Of a file's bytes; of a folder, of the names and hashes of its visible files."""
    if source.is_file():
        with source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    lines = [f"{path.relative_to(source)} {sha256_of(path)}\n" for path in visible_files(source)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def write_json(path: Path, content: Any) -> None:
    """Replaces `path` in one step."""
    with write_aside(path.parent) as (aside, file):
        file.write(json.dumps(content, ensure_ascii=False, indent=2).encode())
        put_in_place(file, aside, path)


def write_private(path: Path, text: str) -> None:
    """Replaces `path` in one step with a file that only its owner reads."""
    with write_aside(path.parent) as (aside, file):
        aside.chmod(0o600)
        file.write(text.encode())
        put_in_place(file, aside, path)


def require_writable(path: Path) -> None:
    """Raises OSError unless a file can be made, or replaced, there: asked before long work."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    with write_aside(path.parent):
        pass
    if path.exists():
        path.open("ab").close()


def read_json(path: Path) -> dict[str, Any]:
    return cast(dict[str, Any], json.loads(path.read_text(encoding="utf-8")))


@contextmanager
def write_aside(folder: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """A new file in the folder for `put_in_place`; it is gone afterwards if that was not called."""
    aside = folder / f".{uuid.uuid4().hex}.partial"
    try:
        with aside.open("wb") as file:
            yield aside, file
    finally:
        aside.unlink(missing_ok=True)


def put_in_place(file: IO[bytes], aside: Path, target: Path) -> None:
    """The file written aside becomes `target`, which a power cut leaves whole, old or new."""
    file.flush()
    os.fsync(file.fileno())
    aside.replace(target)
    _sync(target.parent)


@contextmanager
def complete_or_absent(target: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `target` when the block ends without an error.

    `target` must not exist by then. What a try leaves aside is removed, by itself or by the next.
    """
    aside = target.with_name(f".{target.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        yield aside
        for path in aside.rglob("*"):
            if path.is_file():
                path.chmod(_mode())
            _sync(path)
        _sync(aside)
        aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    _sync(target.parent)


def copy_files(files: Sequence[Path], root: Path, target: Path) -> None:
    """Copies of files below `root` as the folder `target`, complete or absent."""
    with complete_or_absent(target) as aside:
        for file in files:
            copy = aside / file.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)


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
