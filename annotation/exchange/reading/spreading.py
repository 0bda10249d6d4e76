"""A column that holds several answers, in a list or by name, as a column each; what stands beside
each likewise."""

from collections.abc import Iterator, Mapping
from typing import Any

from annotation.exchange.shapes import fields, names

_BESIDE = (names.RANK, names.GRADE, names.AUTHOR)
_INSIDE = {
    names.ANSWER: (
        "text",
        "content",
        "body",
        "answer",
        "response",
        "output",
        "completion",
        "value",
    ),
    names.AUTHOR: ("model", "model_name", "generator", "author"),
    names.RANK: ("rank",),
    names.GRADE: ("score", "rating", "grade", "reward", "overall_score"),
}
"""Of an answer that is an object: what its fields are called."""

Columns = Mapping[str, str]
Row = Mapping[str, Any]


def spread(columns: Columns, row: Row) -> tuple[Columns, Row]:
    """The meanings and the row with numbered columns; both as they are, where there is no list."""
    given = [name for name, meaning in columns.items() if meaning == names.ANSWER]
    found = fields.cell_of(row.get(given[0])) if len(given) == 1 else None
    keys: list[str] = []
    answers = found
    if isinstance(found, dict) and "role" not in found:
        keys, answers = list(map(str, found)), list(found.values())
    is_one = isinstance(answers, list) and len(answers) == 1 and fields.is_messages(answers)
    if not isinstance(answers, list) or is_one:
        return columns, row
    meanings, values = dict(columns), dict(row)
    numbers = keys or range(1, len(answers) + 1)
    for name, meaning, cells in _lists(columns, row, given[0], answers):
        meanings.pop(name, None)
        numbered = {f"{name} {at}": cell for at, cell in zip(numbers, cells, strict=True)}
        meanings |= dict.fromkeys(numbered, meaning)
        values |= numbered
    return meanings, values


def _lists(
    columns: Columns, row: Row, answers_name: str, answers: list[Any]
) -> Iterator[tuple[str, str, list[Any]]]:
    """Name, meaning, and what it is of each answer."""
    for meaning, inner in _INSIDE.items():
        cells = [_inside(answer, inner) for answer in answers]
        if meaning == names.ANSWER:
            pairs = zip(answers, cells, strict=True)
            yield answers_name, meaning, [a if cell is None else cell for a, cell in pairs]
        elif any(cell is not None for cell in cells):
            yield f"{answers_name}.{inner[0]}", meaning, cells
    for name, meaning in columns.items():
        given = fields.cell_of(row.get(name)) if meaning in _BESIDE else None
        if isinstance(given, list) and len(given) == len(answers):
            yield name, meaning, given


def _inside(answer: object, inner: tuple[str, ...]) -> Any:
    if not isinstance(answer, dict) or "role" in answer:
        return None
    return next((answer[name] for name in inner if answer.get(name) is not None), None)
