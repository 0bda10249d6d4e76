"""Beat's scheduler: django-celery-beat's, for a clock that may be set back."""

import time
from datetime import datetime
from typing import Any

from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from config.parts import BEAT, SAID_EVERY, say_alive

STEP_SECONDS = 1.0


class Entry(ModelEntry):  # type: ignore[misc]  # it has no types
    """A last run that lies in the future, since the clock was set back, counts as just now's."""

    last_run_at: datetime

    def is_due(self) -> Any:
        last = self.last_run_at
        self.last_run_at = min(last, datetime.now(last.tzinfo))
        return super().is_due()


class Scheduler(DatabaseScheduler):  # type: ignore[misc]  # it has no types
    """Starts anew when the clock was set back: all that it plans lies in the future then."""

    Entry = Entry

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._clock = _wall_over_steady()
        self._said_at = 0.0
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        clock = _wall_over_steady()
        if clock < self._clock - STEP_SECONDS:
            self._heap, self._initial_read = None, True
        self._clock = clock
        if time.monotonic() - self._said_at >= SAID_EVERY:
            self._said_at = time.monotonic()
            say_alive(BEAT)
        return float(super().tick(*args, **kwargs))


def _wall_over_steady() -> float:
    return time.time() - time.monotonic()
