"""Beat's scheduler: django-celery-beat's, which says that it lives."""

import time
from typing import Any

from django_celery_beat.schedulers import DatabaseScheduler

from config.parts import BEAT, SAID_EVERY, say_alive


class Scheduler(DatabaseScheduler):  # type: ignore[misc]  # it has no types
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._said_at = 0.0
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        if time.monotonic() - self._said_at >= SAID_EVERY:
            self._said_at = time.monotonic()
            say_alive(BEAT)
        return float(super().tick(*args, **kwargs))
