"""Beat, when the clock is set back."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from config.beat import Scheduler
from config.celery import app

pytestmark = pytest.mark.django_db(transaction=True)
TWO_HOURS = timedelta(hours=2)
NAMES = {"one", "another"}


@pytest.fixture
def start() -> Iterator[Callable[[], Scheduler]]:
    """Starts a scheduler of two tasks that are due every second."""
    interval = IntervalSchedule.objects.create(every=1, period=IntervalSchedule.SECONDS)
    for name in NAMES:
        PeriodicTask.objects.create(
            name=name, task="annotation.tasks.keep_queues_full", interval=interval
        )
    started = []

    def start() -> Scheduler:
        started.append(Scheduler(app))
        return started[-1]

    yield start
    for scheduler in started:
        scheduler._finalize.cancel()


def sent_within(scheduler: Scheduler, seconds: float) -> set[str]:
    """The names of the schedules that beat sends messages for, until it did for all."""
    before = {name: entry.total_run_count for name, entry in scheduler.schedule.items()}
    deadline = time.monotonic() + seconds
    sent: set[str] = set()
    while not sent >= NAMES and time.monotonic() < deadline:
        time.sleep(min(max(scheduler.tick(), 0.0), 0.1))
        planned = [event.entry for event in plan_of(scheduler)]
        counts = {entry.name: entry.total_run_count for entry in planned}
        sent = {name for name, count in counts.items() if count > before.get(name, 0)}
    return sent


def plan_of(scheduler: Scheduler) -> list[Any]:
    plan: Any = scheduler._heap
    assert isinstance(plan, list)
    return plan


def test_beat_started_after_the_clock_was_set_back_is_not_silent(
    start: Callable[[], Scheduler],
) -> None:
    PeriodicTask.objects.update(last_run_at=timezone.now() + TWO_HOURS)
    assert sent_within(start(), 4) >= NAMES


def test_a_clock_that_is_set_back_while_beat_runs_silences_no_schedule(
    start: Callable[[], Scheduler],
) -> None:
    scheduler = start()
    assert sent_within(scheduler, 4) >= NAMES
    for entry in scheduler.schedule.values():  # all that it knows was written two hours ahead
        entry.last_run_at += TWO_HOURS
        entry.model.last_run_at += TWO_HOURS
    plan = plan_of(scheduler)
    plan[:] = [event._replace(time=event.time + TWO_HOURS.total_seconds()) for event in plan]
    scheduler._clock += TWO_HOURS.total_seconds()
    assert sent_within(scheduler, 4) >= NAMES
