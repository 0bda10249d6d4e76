"""The Celery application. Queues: `default` for short jobs, `accelerator` for models."""

import os
from typing import Any

from celery import Celery
from celery.bootsteps import StartStopStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("laoshi")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


class SayAlive(StartStopStep):
    """A worker says that it lives, under the name before the @ of its hostname."""

    requires = ("celery.worker.components:Timer",)

    def start(self, worker: Any) -> None:
        from config.parts import SAID_EVERY, say_alive

        part = worker.hostname.partition("@")[0]
        say_alive(part)
        worker.timer.call_repeatedly(SAID_EVERY, say_alive, (part,))


app.steps["worker"].add(SayAlive)
