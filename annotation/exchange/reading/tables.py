"""Whether a text is a table (CSV, TSV), and which are its columns."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from annotation.exchange.shapes.names import NAMES, plain
from annotation.exchange.wording import Unreadable, gettext_noop

DELIMITERS = ",\t;|"
LOOKED_AT = 50  # rows
MOST_COLUMNS = 500
EVEN = 0.9  # of the rows have as many cells as the first
LONGEST_NAME = 80
NOWHERE = "\x1f"  # a delimiter that no text has
_CLOSED = re.compile(r'"(?:[^"]|"")*"')
_SAID = re.compile(r"sep=([,;|\t])\r?\n", re.IGNORECASE)  # as Excel writes and reads
SAME_NAME = gettext_noop("Two columns of the table are named {name}: give each its own name.")


@dataclass(frozen=True)
class Table:
    """No columns: it is no table. `above`: how many rows stand before the first of data.

    `quotes`: whether marks hold a cell together; in some tab-separated files they are text.
    `is_spaced`: a blank follows each delimiter.
    """

    delimiter: str = ","
    columns: tuple[str, ...] = ()
    has_header: bool = False
    above: int = 0
    quotes: bool = True
    is_spaced: bool = False

    def rows(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """The cells of each. Raises csv.Error."""
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quoting=csv.QUOTE_MINIMAL if self.quotes else csv.QUOTE_NONE,
            skipinitialspace=self.is_spaced,
        )


def table_in(text: str, has_header: bool | None = None) -> Table:
    """The table that the beginning of a file shows. Raises Unreadable for one with two columns of
    a name."""
    said = _SAID.match(text)
    rest = text[said.end() :] if said else text
    best = Table(said[1]) if said else _dialect_of(rest)
    rows = _sample(rest, best)
    if not rows or len(rows[0]) < 2:
        return _of_one_column(text)
    first = [cell.strip() for cell in rows[0]]
    named = _looks_like_names(first)
    known = sum(plain(name) in NAMES for name in first) if named else 0
    is_even = _evenness(rows) == 1 and len(rows) > 1
    is_plain = is_even and (len(first) > 2 or best.delimiter in ";|")
    is_quoted = best.delimiter == "\t" or rest.lstrip().startswith('"')
    is_table = known > 1 or is_plain or has_header is not None or said is not None
    is_likely = _evenness(rows) >= EVEN and (known or is_quoted)
    if len(first) > MOST_COLUMNS or not (is_table or is_likely):
        return Table()
    header = has_header
    if header is None:
        is_whole = "" not in first and len(set(first)) == len(first)
        header = bool(known) or (named and is_whole and not _are_sentences(first))
    blank = rest[: len(rest) - len(rest.lstrip())].count("\n")
    return replace(
        best,
        columns=_columns(first, header),
        has_header=header,
        above=bool(said) + (blank + 1 if header else 0),
        is_spaced=all(cell.startswith(" ") for cell in rows[0][1:]),
    )


def _columns(first: Sequence[str], has_header: bool) -> tuple[str, ...]:
    """A column without a name, such as the index that pandas writes, goes by its number."""
    names = first if has_header else [""] * len(first)
    columns = [name or f"column {at}" for at, name in enumerate(names, start=1)]
    for name, times in Counter(columns).items():
        if times > 1:
            raise Unreadable(SAME_NAME, name=name)
    return tuple(columns)


def _dialect_of(text: str) -> Table:
    """The delimiter that parts most rows evenly; whether quotation marks mean anything beside
    tabs."""
    tables = [Table(delimiter) for delimiter in DELIMITERS]
    bare = Table("\t", quotes=False)
    cells = [cell for row in _sample(text, bare) for cell in row]
    are_closed = all(_CLOSED.fullmatch(cell) for cell in cells if cell.startswith('"'))
    marked = tables[DELIMITERS.index("\t")]
    if not are_closed and _evenness(_sample(text, bare)) >= _evenness(_sample(text, marked)):
        tables[DELIMITERS.index("\t")] = bare
    return max(tables, key=lambda table: _evenness(_sample(text, table)))


def _of_one_column(text: str) -> Table:
    """A list of texts under a name that says what they are; no character parts its cells."""
    first = text.lstrip().splitlines()[0].strip().strip('"')
    if plain(first) in NAMES and len(text.split("\n", 2)) > 1 and not re.search(r"\s", first):
        return Table(NOWHERE, (first,), has_header=True, above=1)
    return Table()


def _sample(text: str, table: Table) -> list[list[str]]:
    """The first whole rows; what is cut at the sample's end is left out."""
    rows: list[list[str]] = []
    try:
        for row in table.rows(text.splitlines(keepends=True)):
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
    """The first and the last may be empty: an index, and a delimiter at the end of each row."""
    inner = [cell for at, cell in enumerate(cells) if cell or 0 < at < len(cells) - 1]
    return bool(inner) and all(
        cell
        and len(cell) <= LONGEST_NAME
        and not re.fullmatch(r"[-+\d.,e]+", cell)
        and "\n" not in cell
        for cell in inner
    )


def _are_sentences(cells: Sequence[str]) -> bool:
    return any(re.search(r"[.?!。？！]$", cell) for cell in cells)
