"""What happens next in a project, and when; or that nothing will, and why."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from annotation.models import Comparison, Project
from rewardmodel.models import TrainingRun
from rewardmodel.pace import seconds_left
from rewardmodel.selectors.due import new_demonstrations, next_hour
from rewardmodel.selectors.loop import LoopStatus
from rewardmodel.selectors.runs import training_now

Kind, Status = TrainingRun.Kind, TrainingRun.Status


@dataclass(frozen=True)
class Step:
    """`code` is worded by templates/rewardmodel/_upcoming.html: archived, paused, by_hand, broken,
    running, queued, resting, reward_now, reward_after, reward_daily, policy_now, policy_follows,
    policy_by_hand, demonstrations_now, demonstrations_after, scheduled, compared."""

    code: str
    at: datetime | None = None
    count: int = 0
    number: int = 0
    name: str = ""


def upcoming(project: Project, status: LoopStatus) -> list[Step]:
    """In the order in which it happens, as far as that is known."""
    return [*_at_work(status), *_by_itself(project, status), *_with_people(project)]


def _at_work(status: LoopStatus) -> Iterator[Step]:
    run = status.active_run
    if run is None:
        return
    if run.status == Status.RUNNING:
        yield Step("running", at=_end_of(run), number=run.pk)
        return
    other = training_now()
    is_elsewhere = other is not None
    yield Step("queued", at=_end_of(other) if other else None, number=run.pk, count=is_elsewhere)


def _end_of(run: TrainingRun) -> datetime | None:
    """To the minute; None where nothing can be said yet."""
    left = seconds_left(run)
    if left is None:
        return None
    end = timezone.now() + timedelta(seconds=left + 30)
    return end.replace(second=0, microsecond=0)


def _by_itself(project: Project, status: LoopStatus) -> Iterator[Step]:
    if project.archived_at is not None:
        yield Step("archived", at=project.archived_at)
    elif not project.is_active:
        yield Step("paused")
    elif not project.training_is_automatic:
        yield Step("by_hand")
    else:
        if status.missing:
            yield Step("broken")
        if status.rest is not None and status.active_run is None:
            yield Step("resting")
        else:
            yield from _due(project, status)
        yield from _scheduled(project)


def _with_people(project: Project) -> Iterator[Step]:
    """What labelers are deciding, whether or not training starts by itself."""
    if project.archived_at is None and project.promotion == Project.Promotion.PEOPLE:
        asked = project.comparisons.filter(promotes=True, status=Comparison.Status.RUNNING)
        asked = asked.select_related("second")
        yield from (Step("compared", number=each.second.number) for each in asked)


def _due(project: Project, status: LoopStatus) -> Iterator[Step]:
    """What starts when it is due, one run at a time."""
    judge, due = status.reward_model, status.due
    if Kind.POLICY in due and judge is not None:
        yield Step("policy_now", number=judge.number)
    yield from _from_demonstrations(project, Kind.DEMONSTRATIONS in due)
    if Kind.REWARD in due:
        yield Step("reward_now")
    else:
        yield Step("reward_after", count=project.training_threshold - status.rankings_new)
        if project.training_daily_at is not None:
            yield Step("reward_daily", at=next_hour(project), count=status.rankings_new)
    if Kind.POLICY not in due:
        yield Step("policy_follows" if project.updates_follow else "policy_by_hand")


def _from_demonstrations(project: Project, is_due: bool) -> Iterator[Step]:
    if is_due:
        yield Step("demonstrations_now")
    elif project.demonstrations_threshold:
        missing = project.demonstrations_threshold - new_demonstrations(project)
        yield Step("demonstrations_after", count=missing)


def _scheduled(project: Project) -> Iterator[Step]:
    """What the installation's own schedules start in this project."""
    rows = PeriodicTask.objects.filter(
        task="rewardmodel.tasks.train", enabled=True, args__contains=f'"{project.slug}"'
    )
    yield from (Step("scheduled", name=row.name) for row in rows.order_by("name"))
