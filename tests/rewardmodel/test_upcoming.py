"""What the overview says happens next, in each state of the loop."""

from datetime import time, timedelta

import pytest
from django.db.models import F
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from annotation.models import (
    Comparison,
    Demonstration,
    PolicyVersion,
    Project,
    Ranking,
    Snapshot,
    User,
)
from annotation.selectors.policies import champion_policy
from config.parts import BEAT, WORKERS, say_alive
from rewardmodel.models import TrainingRun
from rewardmodel.selectors import loop_status, new_demonstrations
from rewardmodel.selectors.next_steps import Step, upcoming
from rewardmodel.services import request_cancel, start_due_run, start_policy_run, start_reward_run
from rewardmodel.services.outcomes import complete_run
from tests.rewardmodel.runs import claimed, result
from tests.rewardmodel.test_what_is_due import fail


@pytest.fixture(autouse=True)
def _everything_runs() -> None:
    for part in (*WORKERS, BEAT):
        say_alive(part)


def steps_of(project: Project) -> dict[str, Step]:
    return {step.code: step for step in upcoming(project, loop_status(project))}


def taught_a_reward_model(project: Project) -> None:
    run = claimed(start_reward_run(project))
    complete_run(run, result(run, passed=True))


def make_older(project: Project, by: timedelta) -> None:
    """The rankings, and since when the project has its hour."""
    Ranking.objects.update(created_at=F("created_at") - by)
    project.training_daily_since -= by
    project.save()


def test_a_reward_model_is_trained_after_so_many_more_rankings(ranked: Project) -> None:
    assert steps_of(ranked)["reward_after"].count == ranked.training_threshold - 4


def test_or_at_the_next_hour_of_the_day_in_the_projects_zone(ranked: Project) -> None:
    ranked.training_daily_at, ranked.training_zone = time(3), "Asia/Shanghai"
    at = steps_of(ranked)["reward_daily"].at
    assert at is not None
    assert timezone.now() < at <= timezone.now() + timedelta(days=1)
    assert (at.hour, at.utcoffset()) == (3, timedelta(hours=8))


def test_without_an_hour_only_rankings_count(ranked: Project) -> None:
    ranked.training_daily_at = None
    assert "reward_daily" not in steps_of(ranked)


def test_enough_rankings_are_said_to_start_it_now(ranked: Project) -> None:
    ranked.training_threshold = 4
    steps = steps_of(ranked)
    assert "reward_now" in steps
    assert "reward_after" not in steps


def test_a_policy_update_follows_a_reward_model(ranked: Project) -> None:
    assert "policy_follows" in steps_of(ranked)
    taught_a_reward_model(ranked)
    assert steps_of(ranked)["policy_now"].number == 1


def test_no_policy_update_follows_where_none_is_to(ranked: Project) -> None:
    ranked.updates_follow = False
    taught_a_reward_model(ranked)
    steps = steps_of(ranked)
    assert "policy_by_hand" in steps
    assert steps.keys().isdisjoint({"policy_now", "policy_follows"})
    assert start_due_run(ranked) is None


def test_demonstrations_are_learned_from_once_there_are_enough(
    ranked: Project, labeler: User
) -> None:
    assert steps_of(ranked).keys().isdisjoint({"demonstrations_after", "demonstrations_now"})
    ranked.demonstrations_threshold = 2
    show(ranked, labeler, 0)
    assert steps_of(ranked)["demonstrations_after"].count == 1
    show(ranked, labeler, 1)
    assert "demonstrations_now" in steps_of(ranked)
    run = start_due_run(ranked)
    assert run is not None
    assert run.kind == TrainingRun.Kind.DEMONSTRATIONS
    assert steps_of(ranked)["demonstrations_after"].count == 2


def test_a_training_on_a_file_from_elsewhere_learned_from_no_demonstration_of_the_project(
    ranked: Project, labeler: User
) -> None:
    show(ranked, labeler, 0)
    brought = Snapshot.objects.create(
        project=ranked, kind=Snapshot.Kind.DEMONSTRATIONS, path="x", rows=1, is_imported=True
    )
    TrainingRun.objects.create(
        project=ranked,
        kind=TrainingRun.Kind.DEMONSTRATIONS,
        snapshot=brought,
        policy=champion_policy(ranked),
        status=TrainingRun.Status.SUCCEEDED,
    )
    assert new_demonstrations(ranked) == 1


def show(project: Project, labeler: User, number: int) -> None:
    prompt = project.prompts.order_by("id")[number]
    Demonstration.objects.create(project=project, prompt=prompt, author=labeler, text="So.")


def test_a_run_at_work_is_named(ranked: Project) -> None:
    run = start_reward_run(ranked)
    assert steps_of(ranked)["queued"].number == run.pk
    claimed(run)
    assert steps_of(ranked)["running"].number == run.pk


def test_after_a_failure_the_wait_is_said_and_nothing_else(ranked: Project) -> None:
    ranked.training_threshold = 4
    fail(start_due_run(ranked))
    assert steps_of(ranked).keys() == {"resting"}


def test_after_a_cancel_the_wait_is_said(ranked: Project) -> None:
    ranked.training_threshold = 4
    request_cancel(start_reward_run(ranked))
    assert steps_of(ranked).keys() == {"resting"}


def test_a_project_that_trains_by_hand_says_so(ranked: Project) -> None:
    ranked.training_is_automatic = False
    assert steps_of(ranked).keys() == {"by_hand"}


def test_a_paused_project_says_so(ranked: Project) -> None:
    ranked.is_active = False
    assert steps_of(ranked).keys() == {"paused"}


def test_an_archived_project_says_so(ranked: Project) -> None:
    ranked.is_active, ranked.archived_at = False, timezone.now()
    assert steps_of(ranked).keys() == {"archived"}


def test_a_part_of_the_installation_that_is_silent_is_said_first(
    ranked: Project, settings: object
) -> None:
    from django.core.cache import cache

    cache.delete("alive-beat")
    assert next(iter(steps_of(ranked))) == "broken"


def test_a_schedule_of_the_installation_is_named_in_its_project_only(
    ranked: Project, owner: User
) -> None:
    interval = IntervalSchedule.objects.create(every=1, period=IntervalSchedule.DAYS)
    for slug in (ranked.slug, "other"):
        PeriodicTask.objects.create(
            name=f"Text of {slug}",
            task="rewardmodel.tasks.train",
            interval=interval,
            args=f'["{slug}", "text"]',
        )
    assert steps_of(ranked)["scheduled"].name == f"Text of {ranked.slug}"


def test_a_comparison_that_decides_is_named(ranked: Project) -> None:
    ranked.promotion = Project.Promotion.PEOPLE
    ranked.save()
    first = ranked.policyversions.get()
    second = PolicyVersion.objects.create(
        project=ranked, number=1, parent=first, base_model=first.base_model
    )
    assert "compared" not in steps_of(ranked)
    Comparison.objects.create(project=ranked, first=first, second=second, promotes=True)
    assert steps_of(ranked)["compared"].number == 1


# The hour of the day


def test_at_its_hour_a_project_trains_from_what_was_ranked_by_then(ranked: Project) -> None:
    make_older(ranked, timedelta(days=1, minutes=1))
    run = start_due_run(ranked)
    assert run is not None
    assert run.kind == TrainingRun.Kind.REWARD


def test_it_does_so_once(ranked: Project) -> None:
    make_older(ranked, timedelta(days=1, minutes=1))
    run = start_due_run(ranked)
    assert run is not None
    complete_run(claimed(run), result(run, passed=False))
    assert start_due_run(ranked) is None


def test_an_hour_that_had_passed_when_it_was_set_is_not_made_up_for(ranked: Project) -> None:
    Ranking.objects.update(created_at=F("created_at") - timedelta(days=2))
    assert start_due_run(ranked) is None


def test_what_was_ranked_after_the_hour_waits_for_the_next(ranked: Project) -> None:
    ranked.training_daily_since -= timedelta(days=2)
    ranked.training_daily_at = (timezone.now() - timedelta(minutes=1)).time()
    Ranking.objects.update(created_at=timezone.now())
    assert start_due_run(ranked) is None


def test_a_run_starts_from_the_version_that_the_settings_name(ranked: Project) -> None:
    first = ranked.policyversions.get()
    taught_a_reward_model(ranked)
    first.status = PolicyVersion.Status.RETIRED
    first.save()
    serving = PolicyVersion.objects.create(
        project=ranked, number=1, parent=first, status="champion", base_model=first.base_model
    )
    assert start_of(ranked) == serving
    ranked.policy_settings = {"starts_from": 0}
    assert start_of(ranked) == first


def start_of(project: Project) -> PolicyVersion:
    run = start_policy_run(project)
    request_cancel(run)
    assert "starts_from" not in run.config
    return run.policy
