"""What a project asks no more is not lost when a ranking is changed."""

import uuid
from typing import Any

import pytest

from annotation.judgment.judgment import AnswerRating, Judgment
from annotation.models import Project, PromptGroup, Ranking, User
from annotation.selectors.stored_judgments import stored_judgment
from annotation.services.rankings import submit_ranking
from annotation.services.revisions import revise_ranking, undo_last
from tests.annotation.desk import BEST_FIRST, rank, take

RATED = {
    0: AnswerRating(quality=7, flags=("opinion",)),
    1: AnswerRating(quality=4),
    2: AnswerRating(quality=3),
}


@pytest.fixture
def ranking(group: PromptGroup, labeler: User) -> Ranking:
    """Rated and remarked on when everything was asked; by now only an order is."""
    asked: dict[str, Any] = {
        "asks_quality": True,
        "answer_flags": ["opinion"],
        "prompt_marks": ["sensitive"],
    }
    Project.objects.filter(pk=group.project_id).update(**asked)
    stored = rank(group.project, labeler, ratings=RATED, marks=("sensitive",))
    Project.objects.update(asks_quality=False, answer_flags=[], prompt_marks=[])
    return stored


def scores(ranking: Ranking) -> list[float]:
    return [round(t.score, 2) for t in ranking.triples.order_by("answer__position")]


def test_a_change_keeps_what_is_not_asked_any_more_and_its_scores(
    ranking: Ranking, labeler: User
) -> None:
    changed = Judgment(BEST_FIRST, "On reflection.")
    new = revise_ranking(labeler, ranking.pk, changed, key=uuid.uuid4())
    assert stored_judgment(new).ratings == RATED
    assert stored_judgment(new).marks == ("sensitive",)
    assert new.comment == "On reflection."
    assert scores(new) == scores(ranking) == [1, 0, -0.33]


def test_an_order_that_contradicts_the_quality_replaces_it(ranking: Ranking, labeler: User) -> None:
    new = revise_ranking(labeler, ranking.pk, Judgment({0: 3, 1: 2, 2: 1}), key=uuid.uuid4())
    assert stored_judgment(new).ratings == {0: AnswerRating(flags=("opinion",))}
    assert scores(new) == [-1, 0, 1]


def test_a_tie_of_two_qualities_contradicts_neither(ranking: Ranking, labeler: User) -> None:
    new = revise_ranking(labeler, ranking.pk, Judgment({0: 1, 1: 1, 2: 2}), key=uuid.uuid4())
    assert stored_judgment(new).ratings == RATED


def test_what_is_asked_and_left_out_is_gone(ranking: Ranking, labeler: User) -> None:
    Project.objects.update(answer_flags=["opinion"], prompt_marks=["sensitive"])
    new = revise_ranking(labeler, ranking.pk, Judgment(BEST_FIRST), key=uuid.uuid4())
    assert stored_judgment(new).ratings[0] == AnswerRating(quality=7)
    assert stored_judgment(new).marks == ()


def test_a_change_with_something_carried_over_is_stored_once_when_it_is_sent_twice(
    ranking: Ranking, labeler: User
) -> None:
    changed, key = Judgment(BEST_FIRST, "On reflection."), uuid.uuid4()
    first = revise_ranking(labeler, ranking.pk, changed, key=key)
    assert revise_ranking(labeler, ranking.pk, changed, key=key) == first
    assert Ranking.objects.count() == 2


def test_an_undone_ranking_that_is_submitted_again_keeps_it_too(
    ranking: Ranking, labeler: User
) -> None:
    project = ranking.group.project
    undo_last(project, labeler)
    _assignment, token = take(project, labeler)
    again = submit_ranking(labeler, Judgment(BEST_FIRST), token=token)
    assert submit_ranking(labeler, Judgment(BEST_FIRST), token=token) == again
    assert stored_judgment(again).ratings == RATED
