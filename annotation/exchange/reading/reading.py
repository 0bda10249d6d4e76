"""From a file to items: what it is, by its content, and each row as what it says."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from annotation.exchange.reading.container import Container, Kind, Row, container_of
from annotation.exchange.reading.mapping import Mapping
from annotation.exchange.shapes import Shape, shape_named, shape_of
from annotation.exchange.shapes.item import EMPTY, Item, checked
from annotation.exchange.wording import Unreadable, gettext_noop

LOOKED_AT = 50  # rows, to know the shape
MOST_SHOWN = 12  # names of columns in a sentence

LINES = "lines"  # the shape of plain text
NO_ROWS = gettext_noop("There is no row in the file.")
NO_OBJECT = gettext_noop("it is no object with named fields.")
UNLIKE = gettext_noop("it is not like the rows before it: {fields} is missing.")


@dataclass(frozen=True)
class Found:
    """What a file is. `shape` is None where nobody knows it and no mapping says what its columns
    mean; `columns`, with an example of each."""

    container: Container
    shape: Shape | None
    mapping: Mapping | None = None
    columns: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        if self.shape is not None:
            return self.shape.name
        return LINES if not self.columns else ""

    @property
    def is_readable(self) -> bool:
        return bool(self.name or self.mapping)

    @property
    def fields(self) -> dict[str, str]:
        """Each column that is read, and its meaning."""
        if self.mapping is not None:
            return self.mapping.meanings()
        if self.shape is None:
            return {}
        meanings = {name: self.shape.meaning_of(name) for name in self.columns}
        return {name: meaning for name, meaning in meanings.items() if meaning}

    def items(self, row: Row) -> Iterator[Item]:
        """What the row says. Raises Unreadable."""
        if row.problem is not None:
            raise row.problem
        if isinstance(row.value, str) and self.mapping is not None and self.mapping.is_text:
            yield checked(Item(text=row.value))
            return
        if isinstance(row.value, str):
            yield checked(Item([{"role": "user", "content": row.value}]))
            return
        if not isinstance(row.value, dict):
            raise Unreadable(NO_OBJECT)
        if self.mapping is not None:
            yield checked(self.mapping.read(row.value))
            return
        if self.shape is None:  # an object without a field
            raise Unreadable(EMPTY)
        read = self.shape.read(_fitting(self.shape, row.value))
        for item in [read] if isinstance(read, Item) else read:
            yield checked(item)


def look_at(path: Path, mapping: Mapping | None = None) -> Found:
    """What the file is. Raises Unreadable with a sentence for what cannot be taken at all."""
    container = container_of(path, mapping.has_header if mapping else None)
    if mapping is not None and mapping.is_lines:
        container = replace(container, kind=Kind.TEXT)
    rows = list(islice(container.rows(), LOOKED_AT))
    if not rows:
        raise Unreadable(NO_ROWS)
    if all(row.problem for row in rows):
        first = rows[0]
        assert first.problem is not None  # noqa: S101 (all have one)
        raise Unreadable(first.problem.template, **{**first.problem.values, "line": first.place})
    if not any(isinstance(row.value, dict) for row in rows):
        return Found(container, None, mapping)
    objects = [row.value for row in rows if isinstance(row.value, dict)]
    columns: dict[str, str] = {}
    for value in objects:
        for name, content in value.items():
            if not columns.get(name):
                columns[name] = _example(content)
    shape = None if mapping else shape_of(objects)
    if shape is not None and shape.refuses:
        raise Unreadable(shape.refuses)
    return Found(container, shape, mapping, columns)


def _example(content: Any) -> str:
    return "" if content is None else str(content)[:120]


def _fitting(shape: Shape, value: dict[str, Any]) -> dict[str, Any]:
    """The row, if it has the file's shape. Columns that a Parquet file fills with nothing count as
    absent."""
    if shape.fits(value):
        return value
    present = {name: content for name, content in value.items() if content is not None}
    if shape.fits(present):
        return present
    missing = [name for name in shape.fields if value.get(name) is None][:MOST_SHOWN]
    raise Unreadable(UNLIKE, fields=", ".join(missing) or "?")


__all__ = ["LINES", "Found", "look_at", "shape_named"]
