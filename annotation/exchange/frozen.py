"""Files named by their content: the same rows or texts give the same bytes under the same name."""

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from annotation.exchange.jsonl import canonical


def write_frozen(rows: Iterable[Mapping[str, Any]], folder: Path) -> tuple[Path, str, int]:
    """Writes the rows to `folder`/<sha256>.jsonl, whole or not at all; (file, sha256, rows)."""
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f".{uuid.uuid4().hex}.partial"
    digest, count = hashlib.sha256(), 0
    try:
        with aside.open("wb") as file:
            for row in rows:
                line = f"{canonical(row)}\n".encode()
                digest.update(line)
                file.write(line)
                count += 1
            file.flush()
            os.fsync(file.fileno())
        target = folder / f"{digest.hexdigest()}.jsonl"
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
    return target, digest.hexdigest(), count


def copy_frozen(source: Path, folder: Path) -> tuple[Path, str, int]:
    """Copies a file or a folder of files to `folder`/<sha256>/; (copy, sha256, files)."""
    root = source if source.is_dir() else source.parent
    files = sorted(p for p in source.rglob("*") if p.is_file()) if source.is_dir() else [source]
    whole = hashlib.sha256()
    for file in files:
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        whole.update(f"{file.relative_to(root)} {digest}\n".encode())
    target = folder / whole.hexdigest()
    if not target.exists():
        aside = folder / f".{uuid.uuid4().hex}.partial"
        try:
            for file in files:
                copy = aside / file.relative_to(root)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)
            aside.replace(target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return target, whole.hexdigest(), len(files)
