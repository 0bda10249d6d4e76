"""Who holds which group for how long: skips, leases, the group ahead."""

from datetime import timedelta

import pytest
from django.utils import timezone

from annotation.judgment.judgment import Judgment
from annotation.models import Assignment, Flag, Project, PromptGroup, User
from annotation.services.assignments import (
    give_back,
    give_back_ahead,
    renew_lease,
    skip_group,
    take_ahead,
    take_assignment,
)
from annotation.services.flags import flag_prompt
from annotation.services.rankings import submit_ranking
from tests.annotation.desk import BEST_FIRST, expire, rank, take
from tests.people import member, ready_group


def test_a_skipped_group_is_free_for_others_at_once(group: PromptGroup, labeler: User) -> None:
    _assignment, token = take(group.project, labeler)
    assert skip_group(labeler, token, "unsure")
    assert take_assignment(group.project, member(group.project, "other")) is not None


def test_a_skipped_group_never_comes_back_to_whoever_skipped_it(
    group: PromptGroup, labeler: User
) -> None:
    _assignment, token = take(group.project, labeler)
    skip_group(labeler, token, "unsure")
    assert take_assignment(group.project, labeler) is None
    assert group.skips.get().reason == "unsure"


def test_a_group_given_back_may_come_back(group: PromptGroup, labeler: User) -> None:
    take(group.project, labeler)
    give_back(group.project, labeler)
    assert take_assignment(group.project, labeler) is not None


def test_only_the_holder_of_a_lease_skips_or_flags(
    group: PromptGroup, labeler: User, stranger: User
) -> None:
    _assignment, token = take(group.project, labeler)
    assert not skip_group(stranger, token, "unsure")
    assert flag_prompt(stranger, token, "Hm.") is None
    assert not Flag.objects.exists()


def test_a_flag_names_prompt_and_labeler(group: PromptGroup, labeler: User) -> None:
    _assignment, token = take(group.project, labeler)
    flag = flag_prompt(labeler, token, "Two questions in one.")
    assert flag is not None
    assert (flag.prompt, flag.labeler) == (group.prompt, labeler)


def test_a_lease_is_renewed_while_it_is_worked_on(group: PromptGroup, labeler: User) -> None:
    assignment, token = take(group.project, labeler)
    expire(pk=assignment.pk)
    until = renew_lease(group.project, labeler, token)
    assert until is not None
    assert until > timezone.now()
    assert submit_ranking(labeler, Judgment(BEST_FIRST), token=token)


def test_a_lease_that_somebody_else_has_taken_is_not_renewed(
    group: PromptGroup, labeler: User
) -> None:
    assignment, token = take(group.project, labeler)
    expire(pk=assignment.pk)
    take(group.project, member(group.project, "other"))
    assert renew_lease(group.project, labeler, token) is None


def test_a_lease_lasts_as_long_as_the_project_says(group: PromptGroup, labeler: User) -> None:
    assignment, _token = take(group.project, labeler)
    told = assignment.expires_at
    assignment.refresh_from_db()
    assert told is not None
    assert assignment.expires_at is not None
    assert abs(told - timezone.now() - timedelta(minutes=30)) < timedelta(seconds=5)
    assert abs(told - assignment.expires_at) < timedelta(seconds=5)


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_web_server_whose_clock_is_wrong_gives_away_nothing_that_is_in_work(
    group: PromptGroup, labeler: User, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    now = timezone.now() + timedelta(hours=hours)
    monkeypatch.setattr(timezone, "now", lambda: now)
    _assignment, token = take(group.project, labeler)
    other = member(group.project, "other")
    assert take_assignment(group.project, other) is None
    assert renew_lease(group.project, labeler, token) == now + timedelta(minutes=30)
    assert take_assignment(group.project, other) is None
    assert submit_ranking(labeler, Judgment(BEST_FIRST), token=token)


def test_the_group_ahead_is_the_one_that_comes_next(project: Project, labeler: User) -> None:
    ready_group(project, "One?")
    ready_group(project, "Two?")
    now, token = take(project, labeler)
    ahead = take_ahead(project, labeler)
    assert ahead is not None
    assert ahead.pk != now.pk
    assert take_ahead(project, labeler) == ahead
    assert take_assignment(project, labeler) == now
    submit_ranking(labeler, Judgment(BEST_FIRST), token=token)
    assert take_assignment(project, labeler) == ahead


def test_the_time_of_a_group_ahead_counts_from_when_it_is_shown(
    project: Project, labeler: User
) -> None:
    ready_group(project, "One?")
    ready_group(project, "Two?")
    rank(project, labeler)
    take(project, labeler)
    Assignment.objects.filter(is_done=False).update(leased_at=None)
    assignment, _token = take(project, labeler)
    assert assignment.leased_at is not None
    assert timezone.now() - assignment.leased_at < timedelta(seconds=5)


def test_a_group_ahead_counts_as_leased_until_it_is_given_back(
    project: Project, labeler: User
) -> None:
    ready_group(project, "One?")
    ready_group(project, "Two?")
    take(project, labeler)
    take_ahead(project, labeler)
    other = member(project, "other")
    assert take_assignment(project, other) is None
    give_back_ahead(labeler)
    assert take_assignment(project, other) is not None


def test_nothing_is_leased_ahead_of_nothing(group: PromptGroup, labeler: User) -> None:
    assert take_ahead(group.project, labeler) is None
    take(group.project, labeler)
    assert take_ahead(group.project, labeler) is None
