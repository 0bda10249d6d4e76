"""Highlights point into the stored answer, in code points."""

import importlib
import json
import uuid

import pytest
from django.apps import apps
from django.db import connection

from annotation.judgment.judgment import LONGEST_QUOTE, AnswerRating, Highlight
from annotation.models import Draft, Project, Ranking, Rating, User
from annotation.services.rankings import RankingRefused
from tests.annotation.desk import rank
from tests.people import ready_group

TEXT = "😀 The **sky** is `blue`, 因为**瑞利散射**。 Cafe\u0301!\n\n- 5*6*7 = 210\n"
migration = importlib.import_module("annotation.migrations.0012_highlights_in_the_answer")


def mark(start: int, end: int, quote: str) -> Highlight:
    return Highlight(start=start, end=end, label="error", quote=quote)


def marked(project: Project, labeler: User, *marks: Highlight) -> Ranking:
    """A ranking whose first answer is TEXT, with these highlights."""
    ready_group(project).answers.filter(position=0).update(text=TEXT)
    return rank(project, labeler, ratings={0: AnswerRating(highlights=marks)})


def at(passage: str) -> tuple[int, int]:
    return TEXT.index(passage), TEXT.index(passage) + len(passage)


@pytest.mark.parametrize(
    ("passage", "quote"),
    [
        ("sky** is `blue", "sky is blue"),
        ("瑞利散射", "瑞利散射"),
        ("Cafe\u0301", "Cafe\u0301"),
        ("😀", "😀"),
        ("!\n\n- 5*6*7", "!\n5*6*7"),
        ("**sky** is `blue`, 因", "sky is blue, 因"),
    ],
)
def test_a_highlight_is_stored_where_its_quote_stands(
    project: Project, labeler: User, passage: str, quote: str
) -> None:
    ranking = marked(project, labeler, mark(*at(passage), quote))
    [stored] = ranking.ratings.get().highlights
    assert TEXT[stored["start"] : stored["end"]] == passage
    assert stored["quote"] == quote


@pytest.mark.parametrize(
    "highlight",
    [
        mark(0, 3, "sky"),
        mark(*at("sky"), "sea"),
        mark(TEXT.index("sky"), len(TEXT) + 1, "sky"),
        mark(10**9, 10**9 + 3, "sky"),
        mark(TEXT.index("sky"), 10**4000, TEXT[TEXT.index("sky") :]),
    ],
    ids=range(5),
)
def test_a_highlight_that_is_elsewhere_is_refused(
    project: Project, labeler: User, highlight: Highlight
) -> None:
    with pytest.raises(RankingRefused, match="mark the passage again"):
        marked(project, labeler, highlight)
    assert not Ranking.objects.exists()


def test_a_quote_that_is_cut_is_the_beginning_of_its_passage(
    project: Project, labeler: User
) -> None:
    text = "egg " * 400
    ready_group(project).answers.update(text=text)
    long = mark(0, 1200, text[:LONGEST_QUOTE])
    ranking = rank(project, labeler, ratings={0: AnswerRating(highlights=(long,))})
    assert ranking.ratings.get().highlights == [long]


# As they were read before: without markup, counted in UTF-16, the emoji for two.
READ = "😀 The sky is blue, 因为瑞利散射。 Cafe\u0301!\n5*6*7 = 210"


def old(passage: str) -> Highlight:
    start = len(READ[: READ.index(passage)].encode("utf-16-le")) // 2
    return mark(start, start + len(passage.encode("utf-16-le")) // 2, passage)


def placed(project: Project, labeler: User, *marks: Highlight) -> list[Highlight]:
    """What the migration makes of older highlights."""
    ranking = marked(project, labeler, mark(*at("sky"), "sky"))
    ranking.ratings.update(highlights=list(marks))
    migration.place_ratings(apps, connection.schema_editor())
    return list(Rating.objects.get().highlights)


@pytest.mark.parametrize(
    ("quote", "passage"),
    [
        ("sky is blue", "sky** is `blue"),
        ("瑞利散射", "瑞利散射"),
        ("Cafe\u0301", "Cafe\u0301"),
        ("😀", "😀"),
        ("210", "210"),
    ],
)
def test_older_highlights_are_found_by_their_quote(
    project: Project, labeler: User, quote: str, passage: str
) -> None:
    [found] = placed(project, labeler, old(quote))
    assert TEXT[found["start"] : found["end"]] == passage
    assert (found["quote"], found["label"]) == (quote, "error")


def test_of_several_places_an_older_highlight_takes_the_nearest() -> None:
    text = "egg " * 50
    assert migration.placed(mark(121, 124, "egg"), text)["start"] == 120


def test_an_older_highlight_longer_than_its_quote_keeps_its_length() -> None:
    text = "egg " * 400
    found = migration.placed(mark(40, 1239, text[:LONGEST_QUOTE]), text)
    assert (found["start"], found["end"]) == (40, 1239)


def test_an_older_highlight_that_is_not_found_is_kept_with_a_mark(
    project: Project, labeler: User
) -> None:
    [kept] = placed(project, labeler, mark(3, 9, "gone from the answer"))
    assert kept == {**mark(0, 0, "gone from the answer"), "unplaced": True}


@pytest.mark.parametrize("as_text", [True, False])
def test_older_highlights_of_drafts_are_found_too(
    project: Project, labeler: User, as_text: bool
) -> None:
    group = ready_group(project)
    group.answers.filter(position=2).update(text=TEXT)
    lists: list[Highlight] = [old("sky is blue")]
    kept = json.dumps(lists) if as_text else lists
    content = {"rank_1": "2", "highlights_1": kept, "highlights_2": "no list", "comment": "Hm."}
    draft = Draft.objects.create(
        group=group, labeler=labeler, token=uuid.uuid4(), shown_order=[2, 0, 1], content=content
    )
    migration.place_drafts(apps, connection.schema_editor())
    draft.refresh_from_db()
    moved = draft.content["highlights_1"]
    [found] = json.loads(moved) if as_text else moved
    assert TEXT[found["start"] : found["end"]] == "sky** is `blue"
    assert draft.content | {"highlights_1": kept} == content
