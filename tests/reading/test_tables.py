"""Tables are known by their content, and read as the programs that write them mean it."""

from pathlib import Path

import pytest

from annotation.exchange.reading.container import container_of
from annotation.exchange.reading.tables import Table
from tests.reading.test_containers import rows, values


@pytest.mark.parametrize(
    ("content", "columns", "cells"),
    [
        (",prompt,answer\n0,Why?,So.\n", ("column 1", "prompt", "answer"), ["0", "Why?", "So."]),
        ("prompt,answer,\nWhy?,So.,\n", ("prompt", "answer", "column 3"), ["Why?", "So.", ""]),
        ('prompt\tanswer\n"a" is\tb "c"\n', ("prompt", "answer"), ['"a" is', 'b "c"']),
        ('prompt\tanswer\n"a\nb"\t"c"\n', ("prompt", "answer"), ["a\nb", "c"]),
        ('prompt, answer\nWhy?, "So, so."\n', ("prompt", "answer"), ["Why?", "So, so."]),
        ("prompt\nWhy, then?\n", ("prompt",), ["Why, then?"]),
    ],
    ids=["index", "trailing", "marks as text", "marks", "spaced", "one column"],
)
def test_tables_as_other_programs_write_them(
    file: Path, content: str, columns: tuple[str, ...], cells: list[str]
) -> None:
    assert values(file, content.encode()) == [dict(zip(columns, cells, strict=True))]


def test_cells_may_hold_line_breaks_quotes_and_delimiters(file: Path) -> None:
    content = 'prompt,answer\n"a\nb","say ""yes"", now"\n'
    assert values(file, content.encode()) == [{"prompt": "a\nb", "answer": 'say "yes", now'}]


def test_a_table_without_names_gets_numbered_columns(file: Path) -> None:
    content = b"What is two and two?,Four.,Five.\nWhat is one?,A number.,A letter.\n"
    file.write_bytes(content)
    found = container_of(file)
    assert found.table == Table(",", ("column 1", "column 2", "column 3"))
    assert len(list(found.rows())) == 2


def test_somebody_says_whether_the_first_row_names_the_columns(file: Path) -> None:
    file.write_bytes(b"Anna;Ben;Carl\nx;y;z\n")
    assert container_of(file, True).table.columns == ("Anna", "Ben", "Carl")
    assert container_of(file, False).table.columns == ("column 1", "column 2", "column 3")


def test_ragged_rows_are_named(file: Path) -> None:
    found = rows(file, b"prompt,answer\na,b\nc\nd,e,f\n")
    assert [(row.place, str(row.problem)) for row in found if row.problem] == [
        (3, "it has 1 cells, and the first row has 2."),
        (4, "it has 3 cells, and the first row has 2."),
    ]
