"""The installation that bench/faults.py harms: what `make up` starts, and what it stands on."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from redis import Redis

from bench.disk import Disk
from bench.fault_services import Clock, Cluster, kill_all
from tests.launcher.launching import Launcher

SLUG = "faults"
PROMPTS = 3_000
READY_SECONDS = 180.0
WEB, DEFAULT, ACCELERATOR = "config.wsgi", "--queues default", "--queues accelerator"
BEAT, REDIS = "config beat", "redis-server"
WEB_PROCESSES = 3  # gunicorn and its two workers


@dataclass
class Installation:
    """`disk`, `cluster` and `clock` are None where it has none of its own."""

    var: Path
    model: Path
    port: int
    disk: Disk | None = None
    cluster: Cluster | None = None
    clock: Clock | None = None
    launcher: Launcher | None = field(default=None, init=False)

    @property
    def database(self) -> str:
        return self.cluster.url if self.cluster else f"sqlite:///{self.var / 'laoshi.sqlite3'}"

    @property
    def redis(self) -> Redis:
        from django.conf import settings

        return Redis.from_url(settings.REDIS_URL)

    def bring_up(self) -> list[str]:
        """Starts what does not run and nobody else starts, as an operator would; its names."""
        started = []
        if self.cluster and not self.cluster.runs:
            self.cluster.start()
            started.append("PostgreSQL")
        if self.launcher is None or self.launcher.process.poll() is not None:
            clock = self.clock.environment if self.clock else {}
            own = {"PORT": str(self.port), "DATABASE_URL": self.database, **clock}
            self.launcher = Launcher(self.var, str(self.model), own)
            self.launcher.wait_until_ready(READY_SECONDS)
            started.append("Laoshi")
        return started

    def stop(self) -> None:
        if self.launcher and self.launcher.process.poll() is None:
            self.launcher.stop()

    def mains(self, words: str) -> list[psutil.Process]:
        """What the launcher started with these words: one process, or none just now."""
        assert self.launcher is not None  # noqa: S101 (for the reader of types)
        launcher, found = self.launcher, []
        for process in launcher.named(words):
            try:
                if process.ppid() == launcher.process.pid:
                    found.append(process)
            except psutil.NoSuchProcess:
                continue
        return found

    def kill_launcher(self) -> None:
        """The launcher alone: what it started ends by itself."""
        if self.launcher:
            self.launcher.stop(signal.SIGKILL)

    def kill_everything(self) -> None:
        """As when the power goes: no process does anything any more."""
        if self.launcher:
            kill_all(self.launcher.processes())
            self.launcher.process.wait(20)
        if self.cluster:
            self.cluster.kill()

    def parts_are_well(self) -> bool:
        """Every process is there, and every part says that it works."""
        from config.parts import missing_parts

        if self.launcher is None or len(self.launcher.named(WEB)) != WEB_PROCESSES:
            return False
        there = all(self.mains(words) for words in (WEB, DEFAULT, ACCELERATOR, BEAT, REDIS))
        return there and not missing_parts()

    def newest_group(self, *, answered: bool) -> int | None:
        """The number of the newest group, or of the newest that has answers; 0 where there is none.

        None: the database does not answer.
        """
        from django.db import DatabaseError, connection

        from annotation.models import PromptGroup

        groups = PromptGroup.objects.filter(project__slug=SLUG)
        if answered:
            groups = groups.filter(status=PromptGroup.Status.READY)
        try:
            newest = groups.order_by("-pk").values_list("pk", flat=True).first()
        except DatabaseError:
            return None
        finally:
            connection.close()
        return newest or 0


def add_people_and_prompts(labelers: int, overlap: int, password: str, model: Path) -> list[str]:
    """A project with prompts whose answers are short, and people to rank them; their names."""
    from annotation.exchange.prompts import NewPrompt
    from annotation.models import Membership, Project, User
    from annotation.services.projects import create_project, set_member
    from annotation.services.prompts import add_prompts

    wanted = Project(
        name="Faults",
        slug=SLUG,
        overlap=overlap,
        queue_target=200,
        policy_model=str(model),
        max_new_tokens=16,
        training_is_automatic=False,
    )
    project = create_project(wanted, User.objects.get(username="admin"))
    questions = (f"What is {number} times two?" for number in range(PROMPTS))
    add_prompts(
        project, [NewPrompt(messages=[{"role": "user", "content": text}]) for text in questions]
    )
    names = [f"ranker{number}" for number in range(labelers)]
    for name in names:
        user = User.objects.create_user(name, password=password)
        set_member(project, user, Membership.Role.LABELER)
    return names
