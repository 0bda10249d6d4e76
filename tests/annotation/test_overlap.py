"""How often a group may be ranked, when the project changes its mind."""

import pytest

from annotation.judgment.judgment import Judgment
from annotation.models import Assignment, Project, PromptGroup, Ranking, User
from annotation.services import groups
from annotation.services.assignments import (
    fit_assignments,
    give_back,
    renew_lease,
    take_assignment,
)
from annotation.services.rankings import LeaseGone, submit_ranking
from tests.annotation.desk import BEST_FIRST, expire, rank, set_overlap, take
from tests.people import ask, member, new_answers, ready_group


def numbers(group: PromptGroup) -> list[int]:
    return list(group.assignments.order_by("number").values_list("number", flat=True))


def test_more_overlap_opens_assignments_and_less_closes_free_ones(group: PromptGroup) -> None:
    set_overlap(group.project, 3)
    assert numbers(group) == [0, 1, 2]
    set_overlap(group.project, 2)
    assert numbers(group) == [0, 1]


def test_a_done_assignment_counts_whatever_its_number(group: PromptGroup, labeler: User) -> None:
    project, other = group.project, member(group.project, "other")
    set_overlap(project, 2)
    take(project, labeler)
    rank(project, other)
    give_back(project, labeler)
    set_overlap(project, 1)
    assert numbers(group) == [1]
    assert take_assignment(project, labeler) is None


def test_held_assignments_beyond_the_overlap_may_be_finished_but_are_not_handed_out_again(
    group: PromptGroup, labeler: User
) -> None:
    project, other = group.project, member(group.project, "other")
    set_overlap(project, 2)
    _assignment, token = take(project, labeler)
    take(project, other)
    set_overlap(project, 1)
    assert Assignment.objects.filter(is_done=False).count() == 2
    submit_ranking(labeler, Judgment(BEST_FIRST), token=token)
    give_back(project, other)
    assert take_assignment(project, other) is None


def test_a_late_submit_does_not_exceed_an_overlap_that_was_lowered_meanwhile(
    group: PromptGroup, labeler: User
) -> None:
    project, two, three = group.project, *(member(group.project, name) for name in ("two", "three"))
    set_overlap(project, 2)
    take(project, two)
    _assignment, late = take(project, labeler)
    set_overlap(project, 1)
    expire(group=group)
    rank(project, three)  # took the other assignment, of which the labeler knows nothing
    assert renew_lease(project, labeler, late) is None
    with pytest.raises(LeaseGone, match="ran out"):
        submit_ranking(labeler, Judgment(BEST_FIRST), token=late)
    assert take_assignment(project, labeler) is None
    assert Ranking.objects.count() == 1


def test_a_group_whose_answers_come_late_gets_the_overlap_of_now(project: Project) -> None:
    ask(project, "One?")
    groups.top_up(project)
    [claimed] = groups.claim_groups(project.pk, limit=1)
    set_overlap(project, 3)
    groups.store_answers(claimed, new_answers(claimed.answer_count), sampling={"temperature": 1.0})
    assert numbers(claimed) == [0, 1, 2]


def test_one_group_is_fitted_without_touching_the_others(project: Project) -> None:
    one, two = ready_group(project, "One?"), ready_group(project, "Two?")
    project.overlap = 2
    fit_assignments(project, one)
    assert (numbers(one), numbers(two)) == ([0, 1], [0])
