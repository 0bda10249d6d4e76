"""Whether a text is a table (CSV, TSV), and which are its columns."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from annotation.exchange.shapes.names import NAMES, plain
from annotation.exchange.wording import Unreadable, gettext_noop

DELIMITERS = ",\t;|"
LOOKED_AT = 50  # rows
MOST_COLUMNS = 500
EVEN = 0.9  # of the rows have as many cells as the first
LONGEST_NAME = 80
SAME_NAME = gettext_noop("Two columns of the table are named {name}: give each its own name.")


@dataclass(frozen=True)
class Table:
    """No columns: it is no table."""

    delimiter: str = ","
    columns: tuple[str, ...] = ()
    has_header: bool = False


def table_in(text: str, has_header: bool | None = None) -> Table:
    """The table that the beginning of a file shows. Raises Unreadable for one with two columns of
    a name."""
    counted = {delimiter: _sample(text, delimiter) for delimiter in DELIMITERS}
    best = max(counted, key=lambda delimiter: _evenness(counted[delimiter]))
    rows = counted[best]
    if len(rows[0]) < 2 if rows else True:
        return _of_one_column(text)
    first = [cell.strip() for cell in rows[0]]
    named = _looks_like_names(first)
    known = sum(plain(name) in NAMES for name in first) if named else 0
    is_even = _evenness(rows) == 1 and len(rows) > 1 and (len(first) > 2 or best in ";|")
    is_quoted = best == "\t" or text.lstrip().startswith('"')
    is_table = known > 1 or is_even or has_header is not None
    is_likely = _evenness(rows) >= EVEN and (known or is_quoted)
    if len(first) > MOST_COLUMNS or not (is_table or is_likely):
        return Table()
    header = has_header
    if header is None:
        header = bool(known) or (
            named and len(set(first)) == len(first) and not _are_sentences(first)
        )
    columns = first if header else [f"column {at}" for at in range(1, len(first) + 1)]
    for name, times in Counter(columns).items():
        if times > 1:
            raise Unreadable(SAME_NAME, name=name)
    return Table(best, tuple(columns), header)


def _of_one_column(text: str) -> Table:
    """A list of texts under a name that says what they are."""
    first = text.lstrip().splitlines()[0].strip().strip('"')
    if plain(first) in NAMES and len(text.split("\n", 2)) > 1 and not re.search(r"\s", first):
        return Table(",", (first,), True)
    return Table()


def _sample(text: str, delimiter: str) -> list[list[str]]:
    """The first whole rows; what is cut at the sample's end is left out."""
    rows: list[list[str]] = []
    try:
        reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter)
        for row in reader:
            if any(row):
                rows.append(row)
            if len(rows) > LOOKED_AT:
                break
    except csv.Error:
        return rows
    return rows[:-1] if len(rows) > 2 else rows


def _evenness(rows: Sequence[Sequence[str]]) -> float:
    """The share of rows with as many cells as the first, if those are two or more."""
    if not rows or len(rows[0]) < 2:
        return 0.0
    return sum(len(row) == len(rows[0]) for row in rows) / len(rows)


def _looks_like_names(cells: Sequence[str]) -> bool:
    return all(
        cell
        and len(cell) <= LONGEST_NAME
        and not re.fullmatch(r"[-+\d.,e]+", cell)
        and "\n" not in cell
        for cell in cells
    )


def _are_sentences(cells: Sequence[str]) -> bool:
    return any(re.search(r"[.?!。？！]$", cell) for cell in cells)
