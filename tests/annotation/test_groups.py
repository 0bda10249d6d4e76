from datetime import timedelta

import pytest
from django.utils import timezone

from annotation.models import PolicyVersion, Project, PromptGroup
from annotation.selectors.groups import queue_counts
from annotation.services import groups
from annotation.services.policies import promote
from tests.people import answer_everything, ask, champion, new_answers

Status = PromptGroup.Status


def test_top_up_asks_for_as_many_groups_as_the_project_wants_ready(project: Project) -> None:
    ask(project, *"abcdefgh")
    assert groups.top_up(project) == project.queue_target
    assert groups.top_up(project) == project.queue_target
    assert project.groups.count() == project.queue_target


def test_a_prompt_may_ask_for_more_answers_than_the_project(project: Project) -> None:
    ask(project, "a")
    project.prompts.update(answers_wanted=7)
    [group] = answer_everything(project)
    assert group.answers.count() == 7


def test_each_prompt_is_answered_once_by_each_policy(project: Project) -> None:
    project.queue_target = 100
    project.save()
    ask(project, "a", "b")
    assert len(answer_everything(project)) == 2
    assert groups.top_up(project) == 0
    teach(project)
    assert groups.top_up(project) == 2


def test_what_waits_is_answered_by_the_version_that_serves_after_going_back(
    project: Project,
) -> None:
    ask(project, "a", "b")
    base = champion(project)
    answer_everything(project)
    teach(project)
    ask(project, "c", "d")
    groups.top_up(project)
    promote(base)
    assert groups.claim_groups(project.pk, 4) == []
    assert groups.top_up(project) == 2
    claimed = groups.claim_groups(project.pk, 4)
    assert {(str(group.prompt), group.policy) for group in claimed} == {("c", base), ("d", base)}


def test_a_version_that_serves_again_is_asked_what_only_others_answered(project: Project) -> None:
    project.queue_target = 100
    project.save()
    base = champion(project)
    teach(project)
    taught = champion(project)
    ask(project, "a")
    assert len(answer_everything(project)) == 1
    promote(base)
    assert len(answer_everything(project)) == 1
    promote(taught)
    assert answer_everything(project) == []


def test_prompts_never_asked_come_before_those_an_older_policy_answered(project: Project) -> None:
    project.queue_target = 1
    project.save()
    ask(project, "old", "new")
    [first] = answer_everything(project)
    first.assignments.all().delete()
    teach(project)
    [second] = answer_everything(project)
    assert str(second.prompt) == "new"


def test_two_workers_never_claim_the_same_group(project: Project) -> None:
    ask(project, *"abcd")
    groups.top_up(project)
    first = groups.claim_groups(project.pk, 3)
    second = groups.claim_groups(project.pk, 3)
    assert len(first) == 3
    assert len(second) == 1
    assert not {group.pk for group in first} & {group.pk for group in second}


def test_what_waits_in_an_archived_project_is_not_answered(project: Project) -> None:
    ask(project, "a")
    groups.top_up(project)
    Project.objects.update(is_active=False, archived_at=timezone.now())
    assert groups.claim_groups(project.pk, 1) == []


def test_a_claim_that_lapsed_frees_the_group_and_its_late_answers_are_dropped(
    project: Project,
) -> None:
    ask(project, "a")
    groups.top_up(project)
    [lost] = groups.claim_groups(project.pk, 1)
    lapse()
    assert groups.release_lapsed_claims() == 1
    [again] = groups.claim_groups(project.pk, 1)
    assert groups.store_answers(lost, new_answers(3), sampling={}) is False
    assert groups.store_answers(again, new_answers(3), sampling={}) is True
    assert again.answers.count() == 3


def test_a_renewed_claim_does_not_lapse(project: Project) -> None:
    ask(project, "a")
    groups.top_up(project)
    [group] = groups.claim_groups(project.pk, 1)
    lapse()
    groups.renew_claim(group)
    assert groups.release_lapsed_claims() == 0


def test_a_claim_from_before_the_clock_was_set_back_lapses(project: Project) -> None:
    ask(project, "a")
    groups.top_up(project)
    groups.claim_groups(project.pk, 1)
    PromptGroup.objects.update(claimed_until=timezone.now() + timedelta(hours=2))
    assert groups.release_lapsed_claims() == 1


def test_a_worker_that_dies_three_times_fails_the_group_with_the_reason(project: Project) -> None:
    ask(project, "a")
    groups.top_up(project)
    for _ in range(PromptGroup.MAX_ATTEMPTS):
        groups.claim_groups(project.pk, 1)
        lapse()
        groups.release_lapsed_claims()
    group = project.groups.get()
    assert group.status == Status.FAILED
    assert "died" in group.failure_reason


def test_a_failed_group_is_tried_three_times_and_then_left_for_an_admin(project: Project) -> None:
    ask(project, "a")
    for _ in range(PromptGroup.MAX_ATTEMPTS):
        groups.top_up(project)
        [group] = groups.claim_groups(project.pk, 1)
        groups.fail_group(group, "The policy gave only empty answers.")
    assert groups.top_up(project) == 0
    assert project.groups.get().failure_reason == "The policy gave only empty answers."
    assert groups.retry_failed_groups(project) == 1
    assert groups.top_up(project) == 1


def test_failing_groups_do_not_run_through_all_prompts(project: Project) -> None:
    ask(project, *"abcdefghijkl")
    for _ in range(10):
        groups.top_up(project)
        for group in groups.claim_groups(project.pk, 50):
            groups.fail_group(group, "There is no model folder at /nowhere.")
    assert project.groups.count() == project.queue_target


def test_every_answer_knows_policy_sampling_seed_and_how_it_ended(project: Project) -> None:
    ask(project, "a")
    [group] = answer_everything(project)
    answer = group.answers.first()
    assert answer is not None
    assert answer.policy == champion(project)
    assert answer.sampling == {"temperature": 1.0}
    assert (answer.seed, answer.token_count, answer.finish_reason) == (0, 6, "stop")


def test_queue_counts_take_three_queries(
    project: Project, django_assert_num_queries: pytest.FixtureRequest
) -> None:
    ask(project, *"abcdef")
    answer_everything(project)
    with django_assert_num_queries(3):  # type: ignore[operator]
        counts = queue_counts(project)
    assert (counts.prompts, counts.prompts_waiting, counts.ready) == (6, 2, 4)


def lapse() -> None:
    """A minute passes without a sign of the worker."""
    PromptGroup.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))


def teach(project: Project) -> None:
    """A newer policy becomes champion."""
    old = champion(project)
    promote(
        PolicyVersion.objects.create(
            project=project, number=old.number + 1, parent=old, base_model=old.base_model
        )
    )
