"""What a project may ask besides an order: ratings, marks, good or bad."""

import json
import re
from typing import Any

import pytest

from annotation.models import Project, Ranking, User
from tests.pages.conftest import As
from tests.pages.desk import AS_SCRIPT, opened, path, undone
from tests.people import ready_group


@pytest.fixture
def asking(project: Project) -> Project:
    """A project that asks for everything there is."""
    project.asks_quality = True
    project.answer_flags, project.prompt_marks = ["hallucination", "opinion"], ["sensitive"]
    project.save()
    ready_group(project)
    return project


def test_ratings_and_marks_are_stored_with_the_ranking(
    as_: As, asking: Project, labeler: User
) -> None:
    browser = as_(labeler)
    data = opened(browser, asking, labeler)
    said = {
        **data,
        **{"quality_1": 7, "quality_2": 4, "quality_3": 2},
        **{"flags_2": ["hallucination", "opinion"], "marks": ["sensitive"]},
        "highlights_1": json.dumps(
            [{"start": 0, "end": 6, "label": "well_put", "quote": "Answer"}]
        ),
        "none_acceptable": "on",
    }
    assert browser.post(path("rank", asking), said).status_code == 302
    ranking = Ranking.objects.get()
    rated = {r.answer.position: r for r in ranking.ratings.select_related("answer")}
    first, second, _third = (rated[position] for position in ranking.shown_order)
    assert (first.quality, second.quality) == (7, 4)
    assert first.highlights[0]["quote"] == "Answer"
    assert second.flags == ["hallucination", "opinion"]
    assert ranking.marks == ["sensitive"]
    assert ranking.none_acceptable
    assert ranking.triples.get(answer=first.answer).score == 1


@pytest.mark.parametrize(
    "change",
    [
        {"quality_1": ""},
        {"quality_1": 8},
        {"flags_1": ["sexual"]},
        {"marks": ["ambiguous"]},
        {"highlights_1": "{}"},
        {"highlights_1": '[{"start": 4, "end": 2, "label": "error", "quote": ""}]'},
        {"highlights_1": '[{"start": 1, "end": 2, "label": "<b>", "quote": ""}]'},
        {"highlights_1": "not json"},
        {"highlights_1": "[" * 100_000},
        {"highlights_1": f"[{'9' * 5000}]"},
    ],
    ids=lambda change: str(change)[:40],
)
def test_what_the_project_does_not_ask_is_refused(
    as_: As, asking: Project, labeler: User, change: dict[str, Any]
) -> None:
    browser = as_(labeler)
    good = {"quality_1": 7, "quality_2": 4, "quality_3": 2}
    data = {**opened(browser, asking, labeler), **good, **change}
    assert browser.post(path("rank", asking), data).status_code == 409
    assert not Ranking.objects.exists()


def test_good_or_bad_is_a_ranking_with_two_tied_places(
    as_: As, project: Project, labeler: User
) -> None:
    project.mode = Project.Mode.THUMBS
    project.save()
    ready_group(project, "One?")
    ready_group(project, "Two?")
    browser = as_(labeler)
    good_and_bad = {"rank_1": 2, "rank_2": 1, "rank_3": 2}
    browser.post(path("rank", project), {**opened(browser, project, labeler), **good_and_bad})
    ranking = Ranking.objects.get()
    assert [ranking.ranks[position] for position in ranking.shown_order] == [2, 1, 2]
    all_bad = {"rank_1": 2, "rank_2": 2, "rank_3": 2}
    browser.post(path("rank", project), {**opened(browser, project, labeler), **all_bad})
    newest = Ranking.objects.latest("id")
    assert newest.ranks == [1, 1, 1]
    assert newest.none_acceptable
    for html in (
        browser.get(path("revise", project, newest.pk)).content.decode(),
        undone(browser, project),
    ):
        assert html.count('value="2" required checked') == 3
        assert 'value="1" required checked' not in html


def test_a_draft_with_highlights_that_cannot_be_read_is_kept_and_the_desk_opens(
    as_: As, asking: Project, labeler: User
) -> None:
    browser = as_(labeler)
    data = {**opened(browser, asking, labeler), "highlights_1": "[" * 100_000, "comment": "kept"}
    assert browser.post(path("draft", asking), data).json()["kept"]
    assert ">kept</textarea>" in browser.get(path("rank", asking)).content.decode()


def test_what_no_database_can_hold_is_left_out(as_: As, asking: Project, labeler: User) -> None:
    browser = as_(labeler)
    mark = '[{"start": 0, "end": 6, "label": "error", "quote": "Answer \\ud83d, \\u0000"}]'
    good = {"quality_1": 7, "quality_2": 4, "quality_3": 2, "highlights_1": mark}
    data = {**opened(browser, asking, labeler), **good, "comment": "a\r\nb", "better": "c\0d"}
    assert browser.post(path("draft", asking), data).json()["kept"]
    assert browser.post(path("rank", asking), data).status_code == 302
    ranking = Ranking.objects.get()
    assert ranking.comment == "a\nb"
    assert ranking.demonstrations.get().text == "cd"
    [rating] = ranking.ratings.exclude(highlights=[])
    assert rating.highlights[0]["quote"] == "Answer ?, "
    assert browser.get(path("revise", asking, ranking.pk)).status_code == 200


RATED = {"quality_1": 4, "quality_2": 7, "quality_3": 4}
NO_RANKS = {"rank_1": "", "rank_2": "", "rank_3": ""}


def shown_ranks(ranking: Ranking) -> list[int]:
    return [ranking.ranks[position] for position in ranking.shown_order]


def test_an_order_that_nobody_gives_follows_from_the_ratings(
    as_: As, asking: Project, labeler: User
) -> None:
    browser = as_(labeler)
    html = browser.get(path("rank", asking)).content.decode()
    assert "The order follows from the ratings; you can also give one." in html
    assert not re.search("<select[^>]* required", html)
    chinese = browser.get(path("rank", asking), headers={"accept-language": "zh-CN"})
    assert "顺序由评分得出，您也可以自己排。" in chinese.content.decode()
    data = {**opened(browser, asking, labeler), **RATED, **NO_RANKS}
    assert browser.post(path("rank", asking), data).status_code == 302
    assert shown_ranks(Ranking.objects.get()) == [2, 1, 2]


def test_an_order_that_is_given_is_stored_beside_the_ratings(
    as_: As, asking: Project, labeler: User
) -> None:
    browser = as_(labeler)
    browser.post(path("rank", asking), {**opened(browser, asking, labeler), **RATED})
    assert shown_ranks(Ranking.objects.get()) == [1, 2, 3]


def test_half_an_order_is_refused(as_: As, asking: Project, labeler: User) -> None:
    browser = as_(labeler)
    data = {**opened(browser, asking, labeler), **RATED, "rank_2": ""}
    refused = browser.post(path("rank", asking), data, headers=AS_SCRIPT)
    assert refused.json()["problem"] == "Give every answer a place, or none of them."


def test_a_changed_rating_changes_the_order_that_follows_from_it(
    as_: As, asking: Project, labeler: User
) -> None:
    browser = as_(labeler)
    data = {**opened(browser, asking, labeler), **RATED, **NO_RANKS}
    browser.post(path("rank", asking), data)
    ranking = Ranking.objects.get()
    change = path("revise", asking, ranking.pk)
    assert " selected" not in browser.get(change).content.decode()
    sent = {**RATED, "quality_1": 7, "token": "6b0f8f0e-58f4-4f8c-9f0a-3a2a0b6d6a11"}
    browser.post(change, sent)
    assert shown_ranks(Ranking.objects.get(is_current=True)) == [1, 1, 2]


def test_good_or_bad_is_said_whatever_the_ratings(as_: As, asking: Project, labeler: User) -> None:
    Project.objects.update(mode="thumbs")
    browser = as_(labeler)
    data = {**opened(browser, asking, labeler), **RATED, **NO_RANKS}
    refused = browser.post(path("rank", asking), data, headers=AS_SCRIPT)
    assert "Say good or bad of every answer" in refused.json()["problem"]
