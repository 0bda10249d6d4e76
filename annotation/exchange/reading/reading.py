"""From a file to items: what it is, by its content, and each row as what it says."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from annotation.exchange.reading.container import Container, Kind, Row, container_of
from annotation.exchange.reading.guessing import counted_from, guessed
from annotation.exchange.reading.mapping import Mapping
from annotation.exchange.shapes import Shape, names, shape_named, shape_of
from annotation.exchange.shapes.conversations import VERDICTS
from annotation.exchange.shapes.fields import HAS_IMAGES, cell_of
from annotation.exchange.shapes.item import EMPTY, Item, checked
from annotation.exchange.shapes.winner import is_verdict
from annotation.exchange.tags import tags_of
from annotation.exchange.wording import Unreadable, gettext_noop

LOOKED_AT = 50  # rows, to know the shape
MOST_SHOWN = 12  # names of columns in a sentence

LABEL, LABEL_OR_TAGS = "label", "标签"
TAGGED = ("tags", "tag", LABEL_OR_TAGS)
TAGS = gettext_noop("tags, kept with the prompt")
NOT_TAGGED = gettext_noop("“tags” holds no short words: it is left out")
MEDIA = {"images", "image", "videos", "video", "audios", "audio"}
LINES = "lines"  # the shape of plain text
NO_ROWS = gettext_noop("There is no row in the file.")
NO_OBJECT = gettext_noop("it is no object with named fields.")
UNLIKE = gettext_noop("it is not like the rows before it: {fields} is missing.")


@dataclass(frozen=True)
class Found:
    """What a file is. `shape` is None where nobody knows it and no mapping says what its columns
    mean; `columns`, with an example of each. `label`: the column of verdicts that is called as tags
    are. `counts_from`: by which number its first rows call the first answer, most likely. `free`:
    columns that the shape reads whatever they are called."""

    container: Container
    shape: Shape | None
    mapping: Mapping | None = None
    columns: dict[str, str] = field(default_factory=dict)
    label: str = ""
    counts_from: int | None = None
    free: dict[str, str] = field(default_factory=dict)

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
        tagged = {name: TAGS for name in self.columns if name in TAGGED and name != self.label}
        meanings = tagged | {
            name: meaning
            for name in self.columns
            if (meaning := self.shape.meaning_of(LABEL if name == self.label else name))
        }
        return {**self.free, **{name: meaning for name, meaning in meanings.items() if meaning}}

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
        if any(row.value.get(name) for name in MEDIA - set(self.shape.fields)):
            raise Unreadable(HAS_IMAGES)
        value = _labelled(row.value, self.label)
        read = self.shape.read(_fitting(self.shape, value))
        for item in [read] if isinstance(read, Item) else read:
            yield checked(_tagged(item, value))


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
    mapping = mapping.seeing(objects) if mapping else None
    columns: dict[str, str] = {}
    for value in objects:
        for name, content in value.items():
            if not columns.get(name):
                columns[name] = _example(content)
    label = "" if mapping else _label_among(columns, objects)
    shape = None if mapping else shape_of([_labelled(value, label) for value in objects])
    if shape is not None and shape.refuses:
        raise Unreadable(shape.refuses)
    counts_from = counted_from(mapping or guessed(columns, label), objects)
    free = {name: its for row in objects for name, its in shape.reads(row).items()} if shape else {}
    return Found(container, shape, mapping, columns, label, counts_from, free)


def _label_among(columns: Iterable[str], rows: list[dict[str, Any]]) -> str:
    """标签 is what both labels and tags are called: a label where every value is a verdict."""
    given = [row.get(LABEL_OR_TAGS) for row in rows]
    words = {str(one).strip().lower() for one in given if one not in (None, "")}
    answers = [name for name in columns if names.meaning_of(name) == names.ANSWER]
    if len(answers) > 1:
        is_label = all(is_verdict(word, answers) for word in words)
    else:
        is_label = words <= VERDICTS
    return LABEL_OR_TAGS if words and is_label and LABEL not in columns else ""


def _labelled(row: dict[str, Any], label: str) -> dict[str, Any]:
    return {LABEL if name == label else name: value for name, value in row.items()}


def _tagged(item: Item, row: dict[str, Any]) -> Item:
    """With the tags that stand beside it, whatever the shape; what is no tag is a suspicion only,
    for other programs mean other things by the word."""
    given = next((row[name] for name in TAGGED if row.get(name)), None)
    try:
        return replace(item, tags=tags_of(cell_of(given)))
    except Unreadable:
        return replace(item, notes=(*item.notes, NOT_TAGGED))


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
