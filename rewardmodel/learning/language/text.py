"""Raw text, streamed: files, folders of files, JSON Lines and Parquet, piece by piece."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import chain, pairwise
from pathlib import Path

from annotation.exchange.files import sha256_of, visible_files
from annotation.exchange.split import Split, split_of
from rewardmodel.learning.core.snapshot import json_rows
from rewardmodel.learning.core.snapshot_rows import SnapshotError

PIECE_CHARACTERS = 8192
ROWS_PER_READ = 64
# With fewer files than this a hash could hold out none, or all.
FEW_FILES = 20


@dataclass(frozen=True)
class Piece:
    """Part of a document, small enough to hold. `first` where the document begins."""

    text: str
    first: bool
    split: Split


def text_files(source: Path) -> list[Path]:
    """The file, or every visible file in the folder, in order. Raises SnapshotError."""
    if not source.exists():
        raise SnapshotError(f"There is no text at {source}.")
    found = visible_files(source)
    if not found:
        raise SnapshotError(f"There is no file in {source}.")
    return found


def is_held_out_by_ends(source: Path) -> bool:
    """Whether no document is held out whole, so that held-out text is more of what is learned."""
    files = text_files(source)
    return len(files) < FEW_FILES and not any(path.suffix in ROWS for path in files)


def read_pieces(source: Path, column: str, heldout_percent: int) -> Iterator[Piece]:
    """All text of `source` in order; never more than a row or a piece of a file at a time.

    A row of .jsonl or .parquet is a document, its text in `column`; any other file is one, in
    UTF-8. Documents are held out by the hash of their text, but where the files are few each
    by its end: the last `heldout_percent` of its bytes, from the next line on, or from there
    on where no line with text behind it begins soon. Raises SnapshotError.
    """
    files = text_files(source)
    for path in files:
        rows = _rows(path, column)
        if rows is not None:
            for text in rows:
                split = split_of(hashlib.sha256(text.encode()).hexdigest(), heldout_percent)
                yield from _cut(text, split)
        elif len(files) < FEW_FILES:
            yield from _split_at_end(path, heldout_percent)
        else:
            split = split_of(sha256_of(path), heldout_percent)
            for number, text in enumerate(_chunks(path)):
                yield Piece(_lines(text), number == 0, split)


def _rows(path: Path, column: str) -> Iterator[str] | None:
    """The texts of a file of rows; None when it is not one."""
    read = ROWS.get(path.suffix)
    return None if read is None else read(path, column)


def _jsonl_texts(path: Path, column: str) -> Iterator[str]:
    for where, row in json_rows(path):
        text = row.get(column)
        if not isinstance(text, str):
            raise SnapshotError(f"{where}: '{column}' is not a text; name the right text_column.")
        if text:
            yield text


def _parquet_texts(path: Path, column: str) -> Iterator[str]:
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError as error:
        raise SnapshotError(f"Reading {path} needs pyarrow: pip install pyarrow.") from error
    try:
        file = parquet.ParquetFile(path)
        names = file.schema_arrow.names
        if column not in names:
            raise SnapshotError(f"{path} has no column '{column}'; it has {', '.join(names)}.")
        for batch in file.iter_batches(batch_size=ROWS_PER_READ, columns=[column]):
            for text in batch.column(0).to_pylist():
                if isinstance(text, str) and text:
                    yield text
    except (OSError, ValueError) as error:
        if isinstance(error, SnapshotError):
            raise
        raise SnapshotError(f"{path} is not readable as Parquet: {error}") from error


ROWS = {".jsonl": _jsonl_texts, ".ndjson": _jsonl_texts, ".parquet": _parquet_texts}


def _cut(text: str, split: Split) -> Iterator[Piece]:
    for start in range(0, len(text), PIECE_CHARACTERS):
        yield Piece(text[start : start + PIECE_CHARACTERS], start == 0, split)


def _split_at_end(path: Path, heldout_percent: int) -> Iterator[Piece]:
    train_bytes = path.stat().st_size * (100 - heldout_percent) // 100
    done, before = 0, None
    for chunk, following in pairwise(chain(_chunks(path), [""])):
        start = _heldout_start(chunk, following, train_bytes - done)
        parts: list[tuple[str, Split]] = [(chunk[:start], "train"), (chunk[start:], "heldout")]
        for text, split in parts:
            if text:
                yield Piece(_lines(text), split != before, split)
                before = split
        done += len(chunk.encode())


def _heldout_start(text: str, following: str, limit: int) -> int:
    """Where in a chunk held-out text begins when its first `limit` bytes are to train on.

    At the next line with text behind it, here or in the chunk that follows; without one in this
    chunk at the character (a line's end is one) that `limit` falls on.
    """
    encoded = text.encode()
    if not 0 < limit < len(encoded):
        return 0 if limit <= 0 else len(text)
    line = len(encoded[: encoded.find(b"\n", limit - 1) + 1].decode())
    if line and (text[line:].strip() or following.strip()):
        return line
    character = len(encoded[:limit].decode(errors="ignore"))
    return character - (text[character - 1 : character + 1] == "\r\n")


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n")


def _chunks(path: Path) -> Iterator[str]:
    """A file's text as it is, cut at line ends where lines are not longer than a piece."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            while text := file.read(PIECE_CHARACTERS):
                text += file.readline(PIECE_CHARACTERS)
                # What is read in characters may end within a line's end.
                yield text + file.read(1) if text.endswith("\r") else text
    except UnicodeDecodeError as error:
        raise SnapshotError(f"{path} is not UTF-8 text: convert it, or take it out.") from error
