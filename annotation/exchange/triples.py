"""[question, answer, score] triples as CSV and JSON Lines."""

from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any

from annotation.exchange.jsonl import canonical

FIELDS = (
    "question",
    "answer",
    "score",
    "rank",
    "quality",
    "flags",
    "marks",
    "none_acceptable",
    "comment",
    "labeler",
    "group",
    "policy",
    "split",
    "language",
    "finish_reason",
    "ranked_at",
)

FORMULA_STARTS = frozenset((*"=+-@＝＋－＠", "\t", "\r", "\n"))
PART = 64 * 1024  # characters given on at a time


def question_text(messages: Iterable[Mapping[str, str]]) -> str:
    """A single question as it is; a conversation with each turn's role before it."""
    turns = list(messages)
    if len(turns) == 1:
        return turns[0]["content"]
    return "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in turns)


def csv_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """CSV with a byte order mark, so that spreadsheets read Chinese; formulas are defused.

    Every cell is quoted, so that none is cut where a program takes another separator: then joining
    them is all there is to it, at a third of what Python's writer takes.
    """
    lines, size = ["\ufeff", _line(FIELDS)], 0
    cells = itemgetter(*FIELDS)
    for row in rows:
        lines.append(_line(cells(row)))
        size += len(lines[-1])
        if size > PART:
            yield "".join(lines)
            lines, size = [], 0
    yield "".join(lines)


def _line(cells: Iterable[object]) -> str:
    return '"' + '","'.join(map(_cell, cells)) + '"\r\n'


def _cell(value: object) -> str:
    """Text that a spreadsheet would run as a formula gets an apostrophe before it."""
    if not isinstance(value, str):
        return "" if value is None else str(value)
    if value[:1] in FORMULA_STARTS:
        value = f"'{value}"
    return value.replace('"', '""')


def jsonl_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for row in rows:
        yield f"{canonical(row)}\n"
