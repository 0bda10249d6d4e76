import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from annotation.judgment.judgment import AnswerRating, BetterAnswer, Judgment
from annotation.models import Assignment, Project, PromptGroup, Ranking, Triple, User
from annotation.services import rankings
from annotation.services.assignments import fit_assignments, give_back, take_assignment
from annotation.services.rankings import LeaseGone, RankingRefused, submit_ranking
from annotation.services.revisions import undo_last
from tests.people import member, ready_group

CHANGES: list[dict[str, Any]] = [
    {"ranks": {0: 3, 1: 2, 2: 1}},
    {"ranks": {}},
    {"comment": "Unclear."},
    {"better": None},
    {"better": BetterAnswer("Salt it.", 1)},
    {"better": BetterAnswer("Salt it!", 1, True)},
    {"marks": ("sensitive",)},
    {"none_acceptable": True},
    {"ratings": {}},
]


def take(project: Project, labeler: User) -> Assignment:
    assignment = take_assignment(project, labeler)
    assert assignment is not None
    return assignment


def token_of(assignment: Assignment) -> uuid.UUID:
    assert assignment.token is not None
    return assignment.token


def rank(project: Project, labeler: User, **changes: int) -> Ranking:
    """The labeler ranks the next group: the first answer best, the last worst."""
    assignment = take(project, labeler)
    ranks = {position: position + 1 for position in assignment.shown_order}
    return submit_ranking(labeler, Judgment(ranks), token=token_of(assignment))


@pytest.fixture
def group(project: Project) -> PromptGroup:
    return ready_group(project)


def test_a_submit_stores_ranking_and_triples(group: PromptGroup, labeler: User) -> None:
    ranking = rank(group.project, labeler)
    assert ranking.ranks == [1, 2, 3]
    scores = dict(ranking.triples.values_list("answer__position", "score"))
    assert scores == {0: 1.0, 1: 0.0, 2: -1.0}


def test_ties_are_kept(group: PromptGroup, labeler: User) -> None:
    assignment = take(group.project, labeler)
    ranking = submit_ranking(labeler, Judgment({0: 2, 1: 2, 2: 5}), token=token_of(assignment))
    assert ranking.ranks == [1, 1, 2]


def test_sent_twice_is_stored_once_and_answered_the_same(group: PromptGroup, labeler: User) -> None:
    assignment = take(group.project, labeler)
    first = submit_ranking(labeler, Judgment({0: 1, 1: 2, 2: 3}), token=token_of(assignment))
    second = submit_ranking(labeler, Judgment({0: 1, 1: 2, 2: 3}), token=token_of(assignment))
    assert first == second
    assert Ranking.objects.count() == 1
    assert Triple.objects.count() == 3


def test_another_judgment_of_a_group_that_was_judged_in_another_window_is_refused(
    group: PromptGroup, labeler: User
) -> None:
    token = token_of(take(group.project, labeler))
    judgment = Judgment(
        {0: 1, 1: 2, 2: 3},
        "Clear.",
        ratings={0: AnswerRating(quality=3)},
        better=BetterAnswer("Salt it.", 1, True),
    )
    first = submit_ranking(labeler, judgment, token=token)
    with_gaps = replace(judgment, ranks={0: 2, 1: 4, 2: 6})
    assert submit_ranking(labeler, with_gaps, token=token) == first
    for change in CHANGES:
        with pytest.raises(RankingRefused, match="What was stored first holds"):
            submit_ranking(labeler, replace(judgment, **change), token=token)
    assert Ranking.objects.get() == first


def test_a_submit_of_a_group_that_was_undone_in_another_window_is_refused(
    group: PromptGroup, labeler: User
) -> None:
    token = token_of(take(group.project, labeler))
    submit_ranking(labeler, Judgment({0: 1, 1: 2, 2: 3}), token=token)
    assert undo_last(group.project, labeler) is None
    with pytest.raises(LeaseGone, match="opened it again in another window"):
        submit_ranking(labeler, Judgment({0: 1, 1: 2, 2: 3}), token=token)
    assert submit_ranking(
        labeler, Judgment({0: 3, 1: 2, 2: 1}), token=token_of(take(group.project, labeler))
    )


def test_an_unranked_answer_is_refused_and_nothing_is_stored(
    group: PromptGroup, labeler: User
) -> None:
    assignment = take(group.project, labeler)
    with pytest.raises(RankingRefused, match="every answer"):
        submit_ranking(labeler, Judgment({0: 1, 1: 2}), token=token_of(assignment))
    assert not Ranking.objects.exists()
    assert not Assignment.objects.get(pk=assignment.pk).is_done


def test_ranking_and_triples_are_stored_together_or_not_at_all(
    group: PromptGroup, labeler: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    assignment = take(group.project, labeler)
    monkeypatch.setattr(rankings, "scores_of", lambda *_said: [7.0, 0.0, 0.0])
    with pytest.raises(IntegrityError), transaction.atomic():
        submit_ranking(labeler, Judgment({0: 1, 1: 2, 2: 3}), token=token_of(assignment))
    assert not Ranking.objects.exists()


def test_another_labeler_cannot_submit_with_somebody_elses_token(
    group: PromptGroup, labeler: User, stranger: User
) -> None:
    assignment = take(group.project, labeler)
    with pytest.raises(RankingRefused):
        submit_ranking(stranger, Judgment({0: 1, 1: 2, 2: 3}), token=token_of(assignment))


def test_coming_back_gives_the_same_group_in_the_same_order(
    group: PromptGroup, labeler: User
) -> None:
    first, second = take(group.project, labeler), take(group.project, labeler)
    assert (first.token, first.shown_order) == (second.token, second.shown_order)


def test_a_late_submit_is_stored_as_long_as_nobody_else_took_the_assignment(
    group: PromptGroup, labeler: User
) -> None:
    assignment = take(group.project, labeler)
    expire(assignment)
    assert submit_ranking(labeler, Judgment({0: 1, 1: 2, 2: 3}), token=token_of(assignment))
    assert take_assignment(group.project, member(group.project, "other")) is None


def test_an_expired_assignment_goes_to_the_next_labeler_and_the_first_one_is_refused(
    group: PromptGroup, labeler: User
) -> None:
    late = take(group.project, labeler)
    expire(late)
    other = member(group.project, "other")
    assert rank(group.project, other)
    with pytest.raises(RankingRefused):
        submit_ranking(labeler, Judgment({0: 1, 1: 2, 2: 3}), token=token_of(late))
    assert Ranking.objects.count() == 1


def test_a_group_is_never_given_to_more_labelers_than_the_overlap(
    group: PromptGroup, labeler: User
) -> None:
    group.project.overlap = 2
    group.project.save()
    fit_assignments(group.project)
    people = [labeler, member(group.project, "two"), member(group.project, "three")]
    assignments = [take_assignment(group.project, person) for person in people]
    assert [assignment is not None for assignment in assignments] == [True, True, False]


def test_nobody_ranks_a_group_twice(group: PromptGroup, labeler: User) -> None:
    group.project.overlap = 3
    group.project.save()
    fit_assignments(group.project)
    rank(group.project, labeler)
    assert take_assignment(group.project, labeler) is None


def test_the_database_itself_allows_one_current_ranking_a_labeler(
    group: PromptGroup, labeler: User
) -> None:
    rank(group.project, labeler)
    with pytest.raises(IntegrityError), transaction.atomic():
        Ranking.objects.create(
            group=group, labeler=labeler, revision=2, ranks=[1, 2, 3], shown_order=[0, 1, 2]
        )


def test_an_assignment_given_back_is_free_for_others(group: PromptGroup, labeler: User) -> None:
    take(group.project, labeler)
    give_back(group.project, labeler)
    assert take_assignment(group.project, member(group.project, "other")) is not None


def test_a_failed_or_pending_group_is_never_handed_out(project: Project, labeler: User) -> None:
    group = ready_group(project)
    PromptGroup.objects.filter(pk=group.pk).update(status=PromptGroup.Status.FAILED)
    Assignment.objects.all().delete()
    assert take_assignment(project, labeler) is None


def test_fewer_rankings_wanted_removes_free_assignments_only(
    group: PromptGroup, labeler: User
) -> None:
    group.project.overlap = 3
    group.project.save()
    fit_assignments(group.project)
    rank(group.project, labeler)
    group.project.overlap = 1
    group.project.save()
    fit_assignments(group.project)
    assert group.assignments.count() == 1
    assert Ranking.objects.count() == 1


def expire(assignment: Assignment) -> None:
    Assignment.objects.filter(pk=assignment.pk).update(
        expires_at=timezone.now() - timedelta(seconds=1)
    )
