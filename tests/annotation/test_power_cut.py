"""The power goes: what was acknowledged is there when it comes back."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from annotation.models import Project, User
from bench.disk import Disk
from tests.disks import disk  # noqa: F401
from tests.people import answer_everything, ask

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        "sqlite" not in str(settings.DATABASES["default"]["ENGINE"]),
        reason="PostgreSQL syncs every commit by itself",
    ),
]
FULL = 2

RANK_AND_SAY_SO = """
import django
django.setup()
from annotation.judgment.judgment import Judgment
from annotation.models import Project, User
from annotation.services.assignments import take_assignment
from annotation.services.rankings import submit_ranking
project, labeler = Project.objects.get(), User.objects.get(username="labeler")
while (assignment := take_assignment(project, labeler)) is not None:
    submit_ranking(labeler, Judgment({0: 1, 1: 2, 2: 3}), token=assignment.token)
    print(assignment.token.hex, flush=True)
"""


def test_every_connection_syncs_each_commit() -> None:
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous")
        assert cursor.fetchone() == (FULL,)


def test_every_acknowledged_ranking_outlives_a_power_cut(
    project: Project,
    labeler: User,
    disk: Disk,  # noqa: F811
) -> None:
    project.queue_target = 60
    project.save()
    ask(project, *(f"What is {number} times two?" for number in range(60)))
    answer_everything(project)
    database = disk.root / "laoshi.sqlite3"
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(database)])
    os.sync()
    with subprocess.Popen(
        [sys.executable, "-c", RANK_AND_SAY_SO],
        env={**os.environ, "DATABASE_URL": f"sqlite:///{database}"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(30)]
        disk.cut_power()
        acknowledged += process.stdout.read().split()
    disk.restart()
    assert all(acknowledged)
    assert [token for token in acknowledged if token not in stored(database)] == []


def stored(database: Path) -> set[str]:
    with sqlite3.connect(database) as opened:
        return {
            token for (token,) in opened.execute("SELECT idempotency_key FROM annotation_ranking")
        }
