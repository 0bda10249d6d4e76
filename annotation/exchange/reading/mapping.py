"""What somebody says the columns of an unknown shape mean; a guess by their names to begin with."""

import re
from collections.abc import Mapping as Columns
from dataclasses import asdict, dataclass, field
from typing import Any

from annotation.exchange.shapes import fields, names, shape
from annotation.exchange.shapes.conversations import GOOD_OR_BAD
from annotation.exchange.shapes.item import Candidate, Item, Judged
from annotation.exchange.shapes.lists import dense
from annotation.exchange.wording import Unreadable, gettext_noop

MEANINGS = {
    names.IGNORED: gettext_noop("not taken"),
    names.PROMPT: shape.PROMPT,
    names.SYSTEM: shape.SYSTEM,
    names.ANSWER: shape.ANSWER,
    names.CHOSEN: shape.BETTER,
    names.REJECTED: shape.WORSE,
    names.DEMONSTRATION: shape.DEMONSTRATION,
    names.WINNER: gettext_noop("which answer is better: its column, number, letter or text"),
    names.RANK: gettext_noop("the rank of the answer of the same number, or of them all"),
    names.GRADE: gettext_noop("the grade of the answer of the same number: more is better"),
    names.GOOD: shape.GOOD,
    names.LABELER: shape.LABELER,
    names.AUTHOR: shape.AUTHOR,
    names.LANGUAGE: shape.LANGUAGE,
    names.TEXT: shape.TEXT,
}

NO_PROMPT = gettext_noop("Say which column holds the question, or which the raw text: one of them.")
ONE_SIDE = gettext_noop("Say which columns hold the better and the worse answer: both are needed.")
MANY = gettext_noop("Only one column can be: {meaning}.")
NO_ANSWERS = gettext_noop("Say which columns hold the answers that are judged.")
TIES = {"tie", "ties", "draw", "equal", "same", "=", "both", "0", "平", "平局"}
ALL_BAD = {"tie (bothbad)", "both_bad", "bothbad", "neither", "none", "都不好"}


@dataclass(frozen=True)
class Mapping:
    """The meaning of each column; `has_header` as somebody said, None: as it looks. `is_lines`: it
    is no table, each line is a question, or with `is_text` a text to learn from."""

    columns: dict[str, str] = field(default_factory=dict)
    has_header: bool | None = None
    is_lines: bool = False
    is_text: bool = False

    def as_json(self) -> dict[str, Any]:
        """The columns in their order, which a database does not keep of an object."""
        return {**asdict(self), "columns": list(self.columns.items())}

    def meanings(self) -> dict[str, str]:
        return {name: MEANINGS[meaning] for name, meaning in self.columns.items() if meaning}

    def of(self, meaning: str) -> list[str]:
        return [name for name, its in self.columns.items() if its == meaning]

    def check(self) -> None:
        """Raises Unreadable for one by which no row could be read."""
        if self.is_lines:
            return
        if bool(self.of(names.PROMPT)) == bool(self.of(names.TEXT)):
            raise Unreadable(NO_PROMPT)
        once = (names.PROMPT, names.CHOSEN, names.REJECTED, names.WINNER, names.LABELER, names.TEXT)
        for meaning in (*once, names.LANGUAGE, names.SYSTEM, names.DEMONSTRATION, names.GOOD):
            if len(self.of(meaning)) > 1:
                raise Unreadable(MANY, meaning=MEANINGS[meaning])
        if bool(self.of(names.CHOSEN)) != bool(self.of(names.REJECTED)):
            raise Unreadable(ONE_SIDE)
        says = (
            self.of(names.WINNER)
            or self.of(names.RANK)
            or self.of(names.GRADE)
            or self.of(names.GOOD)
        )
        if says and not self.of(names.ANSWER):
            raise Unreadable(NO_ANSWERS)

    def read(self, row: Columns[str, Any]) -> Item:
        """Raises Unreadable."""
        if not self.of(names.PROMPT):
            return Item(text=self._one(row, names.TEXT))
        name = self.of(names.PROMPT)[0]
        messages = fields.messages_of(row.get(name), name)
        messages = fields.with_system(messages, self._one(row, names.SYSTEM))
        language = self._one(row, names.LANGUAGE)[:20]
        demonstration = self._one(row, names.DEMONSTRATION) or None
        candidates, judgments = self._judged(row)
        return Item(
            messages,
            candidates,
            judgments,
            None if candidates else demonstration,
            language=language,
        )

    def _one(self, row: Columns[str, Any], meaning: str) -> str:
        return "".join(str(row[name]) for name in self.of(meaning) if row.get(name) is not None)

    def _judged(self, row: Columns[str, Any]) -> tuple[tuple[Candidate, ...], tuple[Judged, ...]]:
        labeler = fields.labeler_of(self._one(row, names.LABELER))
        if sides := self.of(names.CHOSEN) + self.of(names.REJECTED):
            answers = [fields.answer_of(fields.cell_of(row.get(name)), name) for name in sides]
            return fields.pair(*answers), (Judged(labeler, fields.FIRST),)
        columns = [name for name in self.of(names.ANSWER) if row.get(name) not in (None, "")]
        authors = self.of(names.AUTHOR)
        candidates = tuple(
            Candidate(
                fields.answer_of(fields.cell_of(row[name]), name),
                fields.name_of(row.get(_beside(name, authors, columns))),
            )
            for name in columns
        )
        said = self._said(row, columns, labeler) if candidates else None
        return candidates, (said,) if said else ()

    def _said(self, row: Columns[str, Any], columns: list[str], labeler: str) -> Judged | None:
        if winner := self.of(names.WINNER):
            return _by_winner(row, winner[0], columns, labeler)
        for meaning in (names.RANK, names.GRADE):
            given = self.of(meaning)
            if not given:
                continue
            if meaning == names.RANK and len(given) == 1 and len(columns) > 1:
                return _by_order(row, given[0], columns, labeler)
            numbers = [fields.number_of(row, _beside(name, given, columns)) for name in columns]
            if all(number is None for number in numbers):
                return None
            if meaning == names.GRADE:
                return Judged(labeler, grades=tuple(numbers))
            return Judged(labeler, dense(numbers))
        if good := self.of(names.GOOD):
            is_good = float(fields.one_of(row, good[0], GOOD_OR_BAD))
            return Judged(labeler, grades=(is_good,), is_thumbs=True) if len(columns) == 1 else None
        return None


def mapping_of(value: Columns[str, Any]) -> Mapping:
    """What `as_json` wrote."""
    return Mapping(**{**value, "columns": dict(value["columns"])})


def guessed(columns: Columns[str, str]) -> Mapping:
    """By the columns' names; only the first of what there can be one of."""
    found: dict[str, str] = {}
    many = (names.ANSWER, names.RANK, names.GRADE, names.AUTHOR, names.IGNORED)
    for name in columns:
        meaning = names.meaning_of(name)
        found[name] = (
            names.IGNORED if meaning in found.values() and meaning not in many else meaning
        )
    if names.TEXT in found.values() and names.PROMPT in found.values():
        found = {name: names.IGNORED if its == names.TEXT else its for name, its in found.items()}
    if names.ANSWER in found.values() and list(found.values()).count(names.ANSWER) == 1:
        judged = {names.WINNER, names.RANK, names.GRADE, names.GOOD} & set(found.values())
        if not judged:
            found = {
                n: names.DEMONSTRATION if its == names.ANSWER else its for n, its in found.items()
            }
    return Mapping(found)


def _number(name: str) -> str:
    """What tells answer columns apart: the number or letter at the end."""
    found = re.search(r"(\d+|[_\s-][a-zA-Z])$", name.strip())
    return found.group().strip("_- ").lower() if found else ""


def _beside(name: str, given: list[str], columns: list[str]) -> str:
    """Of the columns given, the one that belongs to the answer in this column."""
    for other in given:
        if _number(other) == _number(name) and (_number(name) or len(given) == 1):
            return other
    return given[columns.index(name)] if len(given) == len(columns) else ""


def _by_winner(
    row: Columns[str, Any], field: str, columns: list[str], labeler: str
) -> Judged | None:
    value = str(row.get(field) if row.get(field) is not None else "").strip()
    if not value:
        return None
    if value.lower() in ALL_BAD:
        return Judged(labeler, (1,) * len(columns), none_acceptable=True)
    if value.lower() in TIES and value.lower() not in map(_number, columns):
        return Judged(labeler, (1,) * len(columns))
    at = _place(value, row, columns)
    if at is None:
        known = ", ".join([*columns, "tie"])
        raise Unreadable(fields.UNKNOWN_VALUE, field=field, value=value[:40], known=known)
    pairs = tuple((at, other) for other in range(len(columns)) if other != at)
    return Judged(labeler, given={"pairs": pairs})


def _place(value: str, row: Columns[str, Any], columns: list[str]) -> int | None:
    """Which answer is meant: by its column, its number or letter, its side, or its own text."""
    said = value.lower()
    letters = [_number(name) or name for name in columns]
    for at, name in enumerate(columns):
        if said in (name.lower(), letters[at]) or value == row.get(name):
            return at
        if re.fullmatch(
            rf"(answer|response|model|output|candidate)[ _-]?{re.escape(letters[at])}", said
        ):
            return at
    order = {
        "left": 0,
        "first": 0,
        "a": 0,
        "right": 1,
        "second": 1,
        "b": 1,
        "1": 0,
        "2": 1,
        "c": 2,
        "3": 2,
    }
    place = order.get(said, len(columns))
    return place if place < len(columns) else None


def _by_order(row: Columns[str, Any], field: str, columns: list[str], labeler: str) -> Judged:
    """One column with the order of all: [2, 0, 1], B>A=C, a list of columns; or ranks of each."""
    value = fields.cell_of(row.get(field))
    if isinstance(value, list) and len(value) == len(columns):
        if all(isinstance(one, str) for one in value):
            return Judged(labeler, fields.ordered(columns, value, field))
        if all(isinstance(one, int | float) for one in value):
            return Judged(labeler, dense([float(one) for one in value]))
    if isinstance(value, str):
        ranks: dict[int, int] = {}
        for rank, tied in enumerate(re.split(r"[>,]", value), start=1):
            for one in tied.split("="):
                place = _place(one.strip(), row, columns)
                if place is None or place in ranks:
                    known = "B>A=C"
                    raise Unreadable(
                        fields.UNKNOWN_VALUE, field=field, value=value[:40], known=known
                    )
                ranks[place] = rank
        return Judged(labeler, tuple(ranks.get(at) for at in range(len(columns))))
    raise Unreadable(fields.UNKNOWN_VALUE, field=field, value=str(value)[:40], known="B>A=C")
