"""Content-addressed files: the same rows or texts give the same bytes under the same name."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from annotation.exchange.files import (
    copy_files,
    put_in_place,
    sha256_of,
    visible_files,
    write_aside,
)
from annotation.exchange.jsonl import canonical


class RowsAside:
    """Rows on their way to `folder`/<sha256>.jsonl."""

    def __init__(self, folder: Path, aside: Path, file: IO[bytes]) -> None:
        self._folder, self._aside, self._file = folder, aside, file
        self._digest, self.count = hashlib.sha256(), 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    @property
    def target(self) -> Path:
        return self._folder / f"{self.sha256}.jsonl"

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        for row in rows:
            line = f"{canonical(row)}\n".encode()
            self._digest.update(line)
            self._file.write(line)
            self.count += 1
        self._file.flush()
        os.fsync(self._file.fileno())  # takes a while of a large one, before anybody waits for it

    def put_in_place(self) -> None:
        put_in_place(self._file, self._aside, self.target)


@contextmanager
def rows_aside(folder: Path) -> Iterator[RowsAside]:
    """A new file for rows, which is gone afterwards unless it was put in place."""
    folder.mkdir(parents=True, exist_ok=True)
    with write_aside(folder) as (aside, file):
        yield RowsAside(folder, aside, file)


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
