"""[question, answer, score] triples as CSV and JSON Lines."""

import csv
import io
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

    Every cell is quoted, so that none is cut where a program takes another separator.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    buffer.write("\ufeff")
    writer.writerow(FIELDS)
    cells = itemgetter(*FIELDS)
    for row in rows:
        writer.writerow(map(_defused, cells(row)))
        if buffer.tell() > PART:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _defused(value: object) -> object:
    """Text that a spreadsheet would run as a formula gets an apostrophe before it."""
    if isinstance(value, str) and value[:1] in FORMULA_STARTS:
        return f"'{value}"
    return value


def jsonl_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for row in rows:
        yield f"{canonical(row)}\n"
