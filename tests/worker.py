"""A real Celery worker on the test's own database and broker, which may be killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from django.db import connection

from config.celery import app

STARTS_WITHIN = 60.0


class Worker:
    """Both queues, one process that works, in a process group of its own."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "celery", "-A", "config", "worker"]
        command += ["--queues", "default,accelerator", "--concurrency", "1"]
        command += ["--hostname", f"{self.log.stem}@test", "--without-gossip", "--without-mingle"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "DATABASE_URL": database_url(), "REMAP_SIGTERM": "SIGQUIT"},
            )
        wait_for(self._answers, STARTS_WITHIN, lambda: self.log.read_text(errors="replace"))

    def _answers(self) -> bool:
        return bool(app.control.ping(timeout=0.5))

    def kill(self) -> None:
        """kill -9 on the worker and on the child that works."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """As the launcher stops it: a request to all its processes."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(30)
            self.process = None


def database_url() -> str:
    """The test database, as other processes reach it."""
    values = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{values['NAME']}"
    login = f"{values['USER']}:{values['PASSWORD']}" if values["PASSWORD"] else values["USER"]
    return f"postgres://{login}@{values['HOST']}:{values['PORT'] or 5432}/{values['NAME']}"


def wait_for(
    happened: Callable[[], object], seconds: float = 60.0, tell: Callable[[], str] = str
) -> None:
    """Looks every tenth of a second; fails with what `tell` says when time is up."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"not within {seconds} s: {tell()}"
        time.sleep(0.1)
