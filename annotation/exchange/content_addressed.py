"""Content-addressed files: the same rows or texts give the same bytes under the same name."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from annotation.exchange.files import (
    copy_files,
    put_in_place,
    sha256_of,
    visible_files,
    write_aside,
)
from annotation.exchange.jsonl import canonical


def write_rows(rows: Iterable[Mapping[str, Any]], folder: Path) -> tuple[Path, str, int]:
    """Writes the rows to `folder`/<sha256>.jsonl, whole or not at all; (file, sha256, rows)."""
    folder.mkdir(parents=True, exist_ok=True)
    digest, count = hashlib.sha256(), 0
    with write_aside(folder) as (aside, file):
        for row in rows:
            line = f"{canonical(row)}\n".encode()
            digest.update(line)
            file.write(line)
            count += 1
        target = folder / f"{digest.hexdigest()}.jsonl"
        put_in_place(file, aside, target)
    return target, digest.hexdigest(), count


def copy_texts(source: Path, folder: Path) -> tuple[Path, str, int]:
    """Copies a file, or a folder's visible files, to `folder`/<sha256>/; (copy, sha256, files).

    The hash is the copy's as `sha256_of` gives it.
    """
    root = source if source.is_dir() else source.parent
    files = visible_files(source)
    lines = [f"{file.relative_to(root)} {sha256_of(file)}\n" for file in files]
    sha256 = hashlib.sha256("".join(lines).encode()).hexdigest()
    target = folder / sha256
    if not target.exists():
        copy_files(files, root, target)
    return target, sha256, len(files)
