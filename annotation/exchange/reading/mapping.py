"""What somebody says the columns of an unknown shape mean, and rows read by it."""

import re
from collections.abc import Mapping as Columns
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from annotation.exchange.reading.ordering import (
    FROM_0_OR_1,
    numbers_in,
    ranks_by_order,
    word_of,
    words_of,
)
from annotation.exchange.reading.spreading import spread
from annotation.exchange.shapes import fields, names, shape
from annotation.exchange.shapes.conversations import GOOD_OR_BAD
from annotation.exchange.shapes.item import Candidate, Item, Judged
from annotation.exchange.shapes.lists import dense
from annotation.exchange.shapes.winner import better, number_of
from annotation.exchange.tags import tags_of
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
    names.ORDER: gettext_noop("the order of all answers, the best first: B>A=C, or their numbers"),
    names.RANK: gettext_noop("the rank of the answer of the same number, or of them all"),
    names.GRADE: gettext_noop("the grade of the answer of the same number: more is better"),
    names.GOOD: shape.GOOD,
    names.LABELER: shape.LABELER,
    names.AUTHOR: shape.AUTHOR,
    names.LANGUAGE: shape.LANGUAGE,
    names.TEXT: shape.TEXT,
    names.TAGS: gettext_noop("tags, kept with the prompt"),
}

NO_PROMPT = gettext_noop("Say which column holds the question, or which the raw text: one of them.")
ONE_SIDE = gettext_noop("Say which columns hold the better and the worse answer: both are needed.")
MANY = gettext_noop("Only one column can be: {meaning}.")
NO_ANSWERS = gettext_noop("Say which columns hold the answers that are judged.")


@dataclass(frozen=True)
class Mapping:
    """The meaning of each column; `has_header` as somebody said, None: as it looks. `is_lines`: it
    is no table, each line is a question, or with `is_text` a text to learn from. `counts_from`:
    the number of the first answer, 0 or 1, as somebody said; None: as the rows tell, and
    `is_numbered` is whether they do. `is_recognised`: the columns mean what they do in the shape
    that the file has."""

    columns: dict[str, str] = field(default_factory=dict)
    has_header: bool | None = None
    is_lines: bool = False
    is_text: bool = False
    counts_from: int | None = None
    is_numbered: bool = False
    is_recognised: bool = False

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
        for meaning in (
            *once,
            names.ORDER,
            names.TAGS,
            names.LANGUAGE,
            names.SYSTEM,
            names.DEMONSTRATION,
            names.GOOD,
        ):
            if len(self.of(meaning)) > 1:
                raise Unreadable(MANY, meaning=MEANINGS[meaning])
        if bool(self.of(names.CHOSEN)) != bool(self.of(names.REJECTED)):
            raise Unreadable(ONE_SIDE)
        says = (
            self.of(names.WINNER)
            or self.of(names.ORDER)
            or self.of(names.RANK)
            or self.of(names.GRADE)
            or self.of(names.GOOD)
        )
        if says and not self.of(names.ANSWER):
            raise Unreadable(NO_ANSWERS)

    def seeing(self, rows: Sequence[Columns[str, Any]]) -> "Mapping":
        """With what these rows tell of the numbers of answers."""
        said = {word_of(row.get(name)) for name in self.of(names.WINNER) for row in rows}
        orders = [words_of(row.get(name)) for name in self.of(names.ORDER) for row in rows]
        said |= {word for order in orders for tied in order for word in tied}
        numbers = set(filter(str.isdecimal, said))
        return replace(self, is_numbered=_are_told(numbers, self.of(names.ANSWER)))

    def read(self, row: Columns[str, Any]) -> Item:
        """Raises Unreadable."""
        if not self.of(names.PROMPT):
            return Item(text=self._one(row, names.TEXT))
        name = self.of(names.PROMPT)[0]
        messages = fields.messages_of(row.get(name), name)
        messages = fields.with_system(messages, self._one(row, names.SYSTEM))
        language = self._one(row, names.LANGUAGE)[:20]
        demonstration = self._one(row, names.DEMONSTRATION) or None
        columns, spread_row = spread(self.columns, row)
        candidates, judgments = replace(self, columns=dict(columns))._judged(spread_row)
        return Item(
            messages,
            candidates,
            judgments,
            None if candidates else demonstration,
            language=language,
            tags=tags_of(next((fields.cell_of(row.get(n)) for n in self.of(names.TAGS)), None)),
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
            return self._by_winner(row, winner[0], columns, labeler)
        if order := self.of(names.ORDER):
            return self._by_order(row, order[0], columns, labeler)
        for meaning in (names.RANK, names.GRADE):
            given = self.of(meaning)
            if not given:
                continue
            if meaning == names.RANK and len(given) == 1 and len(columns) > 1:
                ranks = numbers_in(row.get(given[0]))
                if len(ranks) == len(columns):
                    return Judged(labeler, dense(list(ranks)))
                return self._by_order(row, given[0], columns, labeler)
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

    def _by_winner(
        self, row: Columns[str, Any], field: str, columns: list[str], labeler: str
    ) -> Judged | None:
        value = word_of(row.get(field))
        if not value:
            return None
        known = ", ".join([*columns, "tie"])
        if value.isdecimal() and not self.is_numbered and self.counts_from is None:
            raise Unreadable(FROM_0_OR_1, field=field, value=value[:40], known=known)
        said = better(value, columns, [row[name] for name in columns], self.counts_from)
        if said is None and re.search("[>=]", value):
            return self._by_order(row, field, columns, labeler)
        if said is None:
            raise Unreadable(fields.UNKNOWN_VALUE, field=field, value=value[:40], known=known)
        return replace(said, labeler=labeler)

    def _by_order(
        self, row: Columns[str, Any], field: str, columns: list[str], labeler: str
    ) -> Judged | None:
        if not words_of(row.get(field)):
            return None
        texts = [row[name] for name in columns]
        said = (row.get(field), field, columns, texts, self.counts_from, self.is_numbered)
        return Judged(labeler, ranks_by_order(*said))


def mapping_of(value: Columns[str, Any]) -> Mapping:
    """What `as_json` wrote."""
    return Mapping(**{**value, "columns": dict(value["columns"])})


def _beside(name: str, given: list[str], columns: list[str]) -> str:
    """Of the columns given, the one that belongs to the answer in this column."""
    for other in given:
        if number_of(other) == number_of(name) and (number_of(name) or len(given) == 1):
            return other
    return given[columns.index(name)] if len(given) == len(columns) else ""


def _are_told(numbers: set[str], columns: list[str]) -> bool:
    """Whether numbers mean answers: those in their names, or places of which the first is 1. Of 0
    and 1 alone either may be the first."""
    own = set(map(number_of, columns))
    if numbers <= own or "0" in own:
        return numbers <= own
    reach_last = len(columns) > 1 and str(len(columns)) in numbers
    return reach_last or ("2" in numbers and "0" not in numbers)
