"""What is said with the order: ratings, remarks, and what follows from them."""

import uuid
from dataclasses import replace

import pytest

from annotation.judgment.agreement import agreement
from annotation.judgment.judgment import AnswerRating, BetterAnswer, Highlight, Judgment
from annotation.models import PromptGroup, Ranking, User
from annotation.selectors.desks import progress_of
from annotation.selectors.rankings import group_rows
from annotation.selectors.stored_judgments import says_the_same, stored_judgment
from annotation.selectors.triples import triple_rows, triples
from annotation.services.assignments import fit_assignments
from annotation.services.rankings import submit_ranking
from annotation.services.revisions import revise_ranking
from tests.annotation.desk import BEST_FIRST, rank, take
from tests.people import member


def test_scores_follow_the_ratings_when_every_answer_has_one(
    group: PromptGroup, labeler: User
) -> None:
    ratings = {0: AnswerRating(quality=7), 1: AnswerRating(quality=4), 2: AnswerRating(quality=1)}
    ranking = rank(group.project, labeler, ratings=ratings)
    assert [t.score for t in ranking.triples.order_by("answer__position")] == [1, 0, -1]
    ratings[0] = AnswerRating(quality=5)
    again = revise_ranking(
        labeler, ranking.pk, Judgment(BEST_FIRST, ratings=ratings), key=uuid.uuid4()
    )
    best = again.triples.get(answer__position=0)
    assert best.score == pytest.approx(1 / 3)


def test_a_stored_judgment_is_read_back_as_it_was_said(group: PromptGroup, labeler: User) -> None:
    passage = Highlight(start=0, end=6, label="error", quote="Answer")
    said = Judgment(
        {0: 2, 1: 2, 2: 7},
        "A tie.",
        ratings={0: AnswerRating(3, ("opinion",), (passage,)), 1: AnswerRating()},
        marks=("ambiguous",),
        none_acceptable=True,
        better=BetterAnswer("Eight minutes.", source=2, is_first=True),
    )
    _assignment, token = take(group.project, labeler)
    ranking = submit_ranking(labeler, said, token=token)
    stored = stored_judgment(ranking)
    assert stored == replace(said, ranks={0: 1, 1: 1, 2: 2}, ratings={0: said.ratings[0]})
    assert says_the_same(ranking, said)


def test_an_answer_that_was_shown_is_not_better_than_itself() -> None:
    copied = Judgment({0: 1, 1: 2}, better=BetterAnswer("Six.", is_first=True))
    assert copied.normalised(["Six.", "Ten."]).better == BetterAnswer("Six.", is_first=False)
    assert copied.normalised(["Five.", "Ten."]).better == copied.better


def test_scores_follow_the_order_when_an_answer_has_no_rating(
    group: PromptGroup, labeler: User
) -> None:
    ranking = rank(group.project, labeler, ratings={0: AnswerRating(quality=2)})
    assert [t.score for t in ranking.triples.order_by("answer__position")] == [1, 0, -1]


def test_what_was_said_beside_the_order_is_exported(group: PromptGroup, labeler: User) -> None:
    ratings = {1: AnswerRating(quality=3, flags=("hallucination",))}
    ranking = rank(
        group.project, labeler, ratings=ratings, marks=("ambiguous",), none_acceptable=True
    )
    [row] = group_rows(group.project, ranking.pk)
    [said] = row["rankings"]
    assert said["ranks"] == [1, 2, 3]
    assert said["ratings"] == [None, 3, None]
    assert said["flags"] == [[], ["hallucination"], []]
    assert said["marks"] == ["ambiguous"]
    assert said["none_acceptable"] is True
    rows = {row["rank"]: row for row in triple_rows(triples(group.project))}
    assert rows[2]["quality"] == 3
    assert rows[2]["flags"] == "hallucination"
    assert rows[1]["marks"] == "ambiguous"


def test_agreement_counts_the_pairs_that_both_put_in_an_order() -> None:
    assert agreement([([1, 2, 3], [1, 2, 3])]) == 1
    assert agreement([([1, 2, 3], [3, 2, 1])]) == 0
    assert agreement([([1, 2, 2], [1, 3, 2])]) == 1
    assert agreement([([1, 1], [1, 2])]) is None


def test_progress_knows_own_rankings_and_agreement_with_others(
    group: PromptGroup, labeler: User
) -> None:
    group.project.overlap = 2
    group.project.save()
    fit_assignments(group.project)
    rank(group.project, labeler, {0: 1, 1: 2, 2: 3})
    rank(group.project, member(group.project, "other"), {0: 1, 1: 3, 2: 2})
    progress = progress_of(group.project, labeler)
    assert (progress.today, progress.in_all) == (1, 1)
    assert progress.agreement == pytest.approx(2 / 3)
    assert progress.seconds is not None


@pytest.mark.parametrize("name", ["labeler", "other"])
def test_what_somebody_said_who_had_read_what_was_expected_is_no_agreement(
    name: str, group: PromptGroup, labeler: User
) -> None:
    group.project.overlap = 2
    group.project.save()
    fit_assignments(group.project)
    rank(group.project, labeler)
    rank(group.project, member(group.project, "other"))
    assert progress_of(group.project, labeler).agreement == 1
    Ranking.objects.filter(labeler__username=name).update(is_informed=True)
    assert progress_of(group.project, labeler).agreement is None
