"""Skipped groups: who is left to rank them, and taking them out of the queue."""

import pytest

from annotation.judgment.judgment import Judgment
from annotation.models import Assignment, Project, PromptGroup, User
from annotation.selectors.assignments import held_by
from annotation.selectors.groups import (
    nobody_left,
    skipped_groups,
    unranked_groups,
    withdrawn_groups,
)
from annotation.selectors.rankings import group_rows
from annotation.services.assignments import (
    fit_assignments,
    skip_group,
    take_assignment,
    undo_skip,
)
from annotation.services.drafts import save_draft
from annotation.services.groups import put_back_group, withdraw_group
from annotation.services.rankings import LeaseGone, submit_ranking
from tests.annotation.desk import BEST_FIRST, rank, take
from tests.people import member, ready_group


def skip(project: Project, labeler: User) -> None:
    _assignment, token = take(project, labeler)
    assert skip_group(labeler, token, "unclear")


def stuck(project: Project) -> list[PromptGroup]:
    return list(nobody_left(skipped_groups(project), project))


def test_a_group_is_stuck_when_every_labeler_skipped_it(group: PromptGroup, labeler: User) -> None:
    project, other = group.project, member(group.project, "other")
    skip(project, labeler)
    assert list(skipped_groups(project)) == [group]
    assert stuck(project) == []
    skip(project, other)
    assert stuck(project) == [group]
    member(project, "newcomer")
    assert stuck(project) == []


def test_a_labeler_who_ranked_it_already_cannot_help(group: PromptGroup, labeler: User) -> None:
    project, other = group.project, member(group.project, "other")
    project.overlap = 2
    project.save()
    fit_assignments(project)
    rank(project, other)
    skip(project, labeler)
    assert stuck(project) == [group]


def test_a_group_that_was_ranked_in_spite_of_a_skip_is_not_listed(
    group: PromptGroup, labeler: User
) -> None:
    skip(group.project, labeler)
    rank(group.project, member(group.project, "other"))
    assert list(skipped_groups(group.project)) == []


def test_a_withdrawn_group_is_handed_to_nobody_until_it_is_put_back(
    group: PromptGroup, labeler: User
) -> None:
    project = group.project
    assert withdraw_group(group)
    assert take_assignment(project, labeler) is None
    assert list(withdrawn_groups(project)) == [group]
    fit_assignments(project)
    assert take_assignment(project, labeler) is None
    assert put_back_group(group)
    assert take_assignment(project, labeler) is not None


def test_withdrawing_or_putting_back_twice_does_nothing(group: PromptGroup) -> None:
    assert not put_back_group(group)
    assert withdraw_group(group)
    assert not withdraw_group(group)
    assert put_back_group(group)
    assert Assignment.objects.filter(group=group).count() == 1


def test_what_was_ranked_before_a_withdrawal_still_counts(
    group: PromptGroup, labeler: User
) -> None:
    project = group.project
    project.overlap = 2
    project.save()
    fit_assignments(project)
    ranking = rank(project, labeler)
    withdraw_group(group)
    assert len(list(group_rows(project, ranking.pk))) == 1
    put_back_group(group)
    assert take_assignment(project, labeler) is None
    assert take_assignment(project, member(project, "other")) is not None


def test_a_withdrawn_group_makes_room_for_another(project: Project) -> None:
    group = ready_group(project)
    assert unranked_groups(project) == 1
    withdraw_group(group)
    assert unranked_groups(project) == 0


def test_whoever_works_on_a_withdrawn_group_keeps_the_draft(
    group: PromptGroup, labeler: User
) -> None:
    _assignment, token = take(group.project, labeler)
    save_draft(labeler, token, {"comment": "so far"})
    withdraw_group(group)
    with pytest.raises(LeaseGone):
        submit_ranking(labeler, Judgment(BEST_FIRST), token=token)
    assert labeler.drafts.get().content == {"comment": "so far"}


def test_whoever_had_not_saved_yet_can_still_save_a_draft_of_a_withdrawn_group(
    group: PromptGroup, labeler: User
) -> None:
    _assignment, token = take(group.project, labeler)
    withdraw_group(group)
    assert save_draft(labeler, token, {"comment": "typed just now"})


def test_an_undone_skip_puts_its_group_into_work_before_what_was_taken_since(
    project: Project, labeler: User
) -> None:
    first, second = ready_group(project, "One?"), ready_group(project, "Two?")
    _assignment, token = take(project, labeler)
    skipped = skip_group(labeler, token, "unclear")
    assert skipped is not None
    assert take(project, labeler)[0].group == second
    assert undo_skip(project, labeler, skipped.pk)
    assert take(project, labeler)[0].group == first
    assert [one.group for one in held_by(labeler)] == [first, second]


def test_an_undone_skip_never_breaks_the_overlap(group: PromptGroup, labeler: User) -> None:
    project, other = group.project, member(group.project, "other")
    _assignment, token = take(project, labeler)
    skipped = skip_group(labeler, token, "unclear")
    assert skipped is not None
    rank(project, other)
    assert not undo_skip(project, labeler, skipped.pk)
    assert take_assignment(project, labeler) is None


def test_the_skip_of_a_group_that_was_withdrawn_gives_nothing_back(
    group: PromptGroup, labeler: User
) -> None:
    _assignment, token = take(group.project, labeler)
    skipped = skip_group(labeler, token, "unclear")
    assert skipped is not None
    withdraw_group(group)
    assert not undo_skip(group.project, labeler, skipped.pk)
