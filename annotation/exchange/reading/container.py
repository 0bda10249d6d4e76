"""What holds the rows: known by its content, never by its name; read row by row."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from json import JSONDecodeError
from math import isfinite
from pathlib import Path
from typing import Any

from annotation.exchange.prompts import UnreadablePrompt, unreadable_line
from annotation.exchange.reading import source
from annotation.exchange.reading.json_array import Cut, elements
from annotation.exchange.reading.tables import Table, table_in
from annotation.exchange.reading.wrapping import (
    SPLITS,
    is_dataset_info,
    objects_in,
    rows_named,
    wrapped_in,
)
from annotation.exchange.untrusted_json import (
    LIMITS,
    MOST_CHARACTERS,
    Fault,
    StrictDecoder,
    UnreadableJson,
    check_value,
    parse_json,
)
from annotation.exchange.wording import Unreadable, gettext_noop

PARQUET_ROWS, LARGEST_ROW_GROUP = 64, 1 << 30
csv.field_size_limit(MOST_CHARACTERS)

CUT = gettext_noop("The JSON ends too early, or something follows its end: make the file anew.")
NO_PARQUET = gettext_noop("The Parquet file cannot be read: it is damaged, or of a newer form.")
HUGE_PARQUET = gettext_noop(
    "The Parquet file has row groups of more than {megabytes} MB: write smaller ones."
)
QUOTE = gettext_noop(
    "From row {row} on a quotation mark is never closed, or a cell has more than {characters} "
    "characters: mend that row."
)
RAGGED = gettext_noop("it has {cells} cells, and the first row has {columns}.")
DATASET_INFO = gettext_noop(
    "This is a list of data sets (LLaMA-Factory's dataset_info.json): take the files that it "
    "names, or a zip archive of all."
)


class Kind(StrEnum):
    JSON_LINES = "JSON Lines"
    JSON = "JSON"
    TABLE = "CSV"
    PARQUET = "Parquet"
    TEXT = gettext_noop("plain text")


@dataclass(frozen=True)
class Row:
    """One row and its place, from 1: of a text its line, of a table with its header its row.

    `value` is an object's, or a text line; None where there is a problem instead.
    """

    place: int
    value: Any = None
    problem: Unreadable | None = None
    size: int = 0


@dataclass(frozen=True)
class Container:
    path: Path
    kind: Kind
    encoding: str = ""
    is_packed: bool = False
    table: Table = field(default_factory=Table)

    def rows(self, after: int = 0) -> Iterator[Row]:
        """Those behind the place `after`, unread ones skipped. Raises Unreadable where nothing
        more can be read of the file."""
        if self.kind == Kind.PARQUET:
            return _parquet_rows(self.path, after)
        by = {
            Kind.TABLE: self._table_rows,
            Kind.JSON: self._elements,
            Kind.JSON_LINES: self._json_lines,
            Kind.TEXT: self._lines,
        }
        return by[self.kind](after)

    def _open(self, newline: str) -> io.TextIOWrapper:
        return source.open_text(self.path, self.encoding, newline)

    def _lines(self, after: int) -> Iterator[Row]:
        with self._open("\n") as file:
            for place, line in enumerate(source.bounded_lines(file), start=1):
                if place <= after or (line is not None and not line.strip()):
                    continue
                if line is None:
                    yield Row(place, problem=_fault(Fault.SIZE))
                else:
                    problem = _unusable(line)
                    yield Row(place, None if problem else line.strip(), problem, len(line))

    def _json_lines(self, after: int) -> Iterator[Row]:
        for row in self._lines(after):
            # What was an array once may have left its commas.
            yield row if row.problem else _read(row.place, row.value.removesuffix(","))

    def _elements(self, after: int) -> Iterator[Row]:
        with self._open("") as file:
            whole = file.read(MOST_CHARACTERS + 1)
        is_object = whole.lstrip().startswith("{")
        if is_object and len(whole) <= MOST_CHARACTERS:
            yield from (row for row in _rows_of_object(whole) if row.place > after)
            return
        with self._open("") as file:
            try:
                found = elements(file, rows_named(whole) if is_object else None, SPLITS)
                for place, text in enumerate(found, start=1):
                    if place <= after or text == "":
                        continue
                    if text is None:
                        yield Row(place, problem=_fault(Fault.SIZE))
                    else:
                        yield _read(place, text)
            except Cut as cut:
                raise Unreadable(CUT) from cut

    def _table_rows(self, after: int) -> Iterator[Row]:
        place = 0
        with self._open("") as file:
            try:
                for place, cells in enumerate(self.table.rows(_csv_lines(file)), start=1):
                    if place <= max(after, self.table.above) or not any(cells):
                        continue
                    yield self._table_row(place, cells)
            except (csv.Error, _LongLine) as error:
                values = {"row": place + 1, "characters": MOST_CHARACTERS}
                raise Unreadable(QUOTE, **values) from error

    def _table_row(self, place: int, cells: list[str]) -> Row:
        columns = self.table.columns
        if len(cells) != len(columns):
            return Row(place, problem=Unreadable(RAGGED, cells=len(cells), columns=len(columns)))
        problem = next((found for cell in cells if (found := _unusable(cell))), None)
        value = None if problem else dict(zip(columns, cells, strict=True))
        return Row(place, value, problem, sum(map(len, cells)))


def container_of(path: Path, has_header: bool | None = None) -> Container:
    """What the file is; `has_header`: what somebody said of a table. Raises Unreadable."""
    with path.open("rb") as file:
        is_packed = file.read(2) == source.GZIP
    head = source.head_of(path)
    if head.startswith(source.PARQUET):
        return Container(path, Kind.PARQUET, is_packed=is_packed)
    encoding = source.encoding_of(head)
    with source.open_text(path, encoding, "") as file:
        text = file.read(source.SNIFFED)
    if not text.strip():
        raise Unreadable(source.EMPTY)
    begin = text.lstrip()
    if begin.startswith("[") and begin[1:].lstrip()[:1] in ("{", "[", "]", '"', ""):
        return Container(path, Kind.JSON, encoding, is_packed)
    if begin.startswith("{"):
        kind = Kind.JSON_LINES if _is_row(begin, len(text) < source.SNIFFED) else Kind.JSON
        return Container(path, kind, encoding, is_packed)
    table = table_in(text, has_header)
    kind = Kind.TABLE if table.columns else Kind.TEXT
    return Container(path, kind, encoding, is_packed, table)


def _is_row(text: str, is_whole: bool) -> bool:
    """Whether the first line is an object of its own, and not what wraps all the rows."""
    line, _end, rest = text.partition("\n")
    try:
        value = parse_json(line)
    except UnreadableJson:
        return True
    except JSONDecodeError:
        if not _end and rows_named(text):
            return False
        return bool(rest.lstrip().startswith("{")) or (not _end and not is_whole)
    return bool(rest.strip()) or not (wrapped_in(value) or is_dataset_info(value))


def _rows_of_object(text: str) -> Iterator[Row]:
    several = objects_in(text)
    if len(several) > 1:
        yield from (_read(place, each) for place, each in enumerate(several, start=1))
        return
    row = _read(1, text)
    if row.problem:
        raise row.problem
    if is_dataset_info(row.value):
        raise Unreadable(DATASET_INFO)
    wrapped = wrapped_in(row.value)
    if wrapped is None:
        yield row
    else:
        yield from (Row(at, _unwrapped(value)) for at, value in enumerate(wrapped, start=1))


def _unwrapped(value: Any) -> Any:
    """The row itself in what the Hugging Face viewer or Argilla's search puts around it."""
    for name, mark in (("row", "row_idx"), ("record", "query_score")):
        if isinstance(value, dict) and {name, mark} <= set(value):
            return value[name]
    return value


def _read(place: int, text: str) -> Row:
    try:
        return Row(place, _unwrapped(parse_json(text, StrictDecoder)), size=len(text))
    except JSONDecodeError as problem:
        found = unreadable_line(place, problem)
        return Row(place, problem=without_line(found))


def without_line(problem: Unreadable) -> Unreadable:
    values = {name: value for name, value in problem.values.items() if name != "line"}
    return UnreadablePrompt(problem.template, **values)


def _unusable(text: str) -> Unreadable | None:
    if len(text) > MOST_CHARACTERS:
        return _fault(Fault.SIZE)
    if source.holds_bytes(text):
        return Unreadable(source.NOT_UTF8)
    try:
        check_value(text)
    except UnreadableJson as problem:
        return _fault(problem.fault)
    return None


def _fault(fault: Fault) -> Unreadable:
    return Unreadable(fault, **LIMITS)


class _LongLine(ValueError):
    pass


def _csv_lines(file: io.TextIOBase) -> Iterator[str]:
    for line in source.bounded_lines(file, 4 * MOST_CHARACTERS):
        if line is None:
            raise _LongLine
        yield line


def _parquet_rows(path: Path, after: int) -> Iterator[Row]:
    """Read by pyarrow, which is large and so is imported only here."""
    pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")

    place = 0
    try:
        with source.open_anywhere(path) as bytes_, parquet.ParquetFile(bytes_) as file:
            sizes = (file.metadata.row_group(n).total_byte_size for n in range(file.num_row_groups))
            if max(sizes, default=0) > LARGEST_ROW_GROUP:
                raise Unreadable(HUGE_PARQUET, megabytes=LARGEST_ROW_GROUP >> 20)
            for batch in file.iter_batches(PARQUET_ROWS):
                if place + len(batch) <= after:
                    place += len(batch)
                    continue
                for value in batch.to_pylist():
                    place += 1
                    if place > after:
                        yield _parquet_row(place, value)
    except (pyarrow.ArrowException, OSError, OverflowError, UnicodeDecodeError) as error:
        raise Unreadable(NO_PARQUET) from error


def _plain(value: Any) -> Any:
    """As JSON would have it: no number is nothing, and bytes are a text that lacks its type."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not isfinite(value):
        return None
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _parquet_row(place: int, raw: Any) -> Row:
    value = _plain(raw)
    try:
        check_value(value)
    except UnreadableJson as problem:
        return Row(place, problem=_fault(problem.fault))
    return Row(
        place, value, size=sum(len(part) for part in value.values() if isinstance(part, str))
    )
