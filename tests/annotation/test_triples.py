"""Scored answers as rows: the same ones however they are read."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from annotation.exchange.triples import FIELDS, FORMULA_STARTS, csv_lines
from annotation.judgment.judgment import AnswerRating, Judgment
from annotation.models import Project, User
from annotation.selectors.triples import triple_rows, triples
from annotation.services.assignments import take_assignment
from annotation.services.rankings import submit_ranking
from tests.people import ready_group

AWKWARD = 'tab\t, new\nline, back\\slash, \\N, "quote", 你好 👋'


@given(st.lists(st.text() | st.none() | st.integers() | st.floats() | st.booleans(), min_size=16))
def test_a_line_of_the_table_is_as_pythons_writer_writes_it(cells: list[object]) -> None:
    row = dict(zip(FIELDS, cells, strict=False))
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    writer.writerow(FIELDS)
    texts = (value if isinstance(value, str) else "" for value in row.values())
    defused = ["'" * (text[:1] in FORMULA_STARTS and text != "") for text in texts]
    writer.writerow(
        f"{mark}{value}" if mark else value
        for mark, value in zip(defused, row.values(), strict=True)
    )
    assert "".join(csv_lines([row])) == f"\ufeff{buffer.getvalue()}"


def test_read_to_the_end_they_are_what_they_are_one_by_one(project: Project, labeler: User) -> None:
    project.answer_flags, project.prompt_marks = ["opinion"], ["sensitive"]
    project.save()
    for question in ("Why?", AWKWARD):
        ready_group(project, question).answers.update(text=AWKWARD)
        assignment = take_assignment(project, labeler)
        assert assignment is not None
        assert assignment.token is not None
        said = Judgment(
            {0: 1, 1: 2, 2: 2},
            AWKWARD,
            ratings={1: AnswerRating(5, ("opinion",))},
            marks=("sensitive",),
        )
        submit_ranking(labeler, said, token=assignment.token)
    found = triples(project).order_by("id")
    rows = list(triple_rows(found))
    assert list(triple_rows(found, whole=True)) == rows
    assert [row["flags"] for row in rows] == ["", "opinion", ""] * 2
    assert [row["quality"] for row in rows] == [None, 5, None] * 2
    assert {(row["answer"], row["comment"], row["marks"]) for row in rows} == {
        (AWKWARD, AWKWARD, "sensitive")
    }
    assert rows[3]["question"] == AWKWARD
