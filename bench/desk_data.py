"""The database of bench/desk.py: a project with as many ready groups as wanted, and labelers."""

import os
import secrets
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.db import models

if TYPE_CHECKING:
    from annotation.models import User

Row = dict[str, str | int | bool]
ANSWERS = 4
SLUG = "bench"
BATCH = 20_000
ANSWER = (
    "Put the egg into boiling water for **eight minutes**, then into cold water.\n\n"
    "1. Boil the water.\n2. Lower the egg with a spoon.\n3. Wait.\n\nVariant {number}."
)


def settings_for(database: str, folder: Path) -> None:
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SECRET_KEY": os.environ.get("SECRET_KEY") or secrets.token_urlsafe(50),
        "VAR_FOLDER": str(folder),
        "LOG_LEVEL": "WARNING",
        "DATABASE_URL": database,
    }


def bench_database(folder: Path) -> str:
    """A database of the bench's own, made anew; its address."""
    url = os.environ.get("DATABASE_URL", "")
    if not url:
        return f"sqlite:///{folder / 'bench.sqlite3'}"
    import psycopg
    from psycopg import sql

    parts = urlsplit(url)
    name = f"{parts.path[1:]}_bench"
    with psycopg.connect(parts._replace(path="/postgres").geturl(), autocommit=True) as connection:
        wanted = sql.Identifier(name)
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(wanted))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(wanted))
    return parts._replace(path=f"/{name}").geturl()


def fill(prompts: int) -> None:
    """Adds ready groups until the project has so many (bulk, COPY on PostgreSQL)."""
    from django.db import connection

    from annotation.models import Project

    project = Project.objects.get(slug=SLUG)
    policy = project.policyversions.get()
    there = project.prompts.count()
    for start in range(there, prompts, BATCH):
        stop = min(start + BATCH, prompts)
        add_batch(project.pk, policy.pk, start, stop)
        if sys.stderr.isatty():
            print(f"\r{stop} prompts", end="", file=sys.stderr)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def add_batch(project: int, policy: int, start: int, stop: int) -> None:
    from django.db import transaction
    from django.utils import timezone

    from annotation.models import Answer, Assignment, Prompt, PromptGroup

    now = timezone.now()
    with transaction.atomic():
        made = Prompt.objects.bulk_create(
            Prompt(
                project_id=project,
                messages=[{"role": "user", "content": f"How do I boil egg number {number}?"}],
                key=f"{number:064x}",
                split="train",
                last_policy_number=0,
            )
            for number in range(start, stop)
        )
        groups = PromptGroup.objects.bulk_create(
            PromptGroup(
                project_id=project,
                prompt=prompt,
                policy_id=policy,
                status="ready",
                answer_count=ANSWERS,
                seed=prompt.pk,
                ready_at=now,
            )
            for prompt in made
        )
        copy_in(Answer, (row for group in groups for row in answer_rows(group.pk, policy)))
        copy_in(Assignment, (assignment_row(project, group.pk) for group in groups))


def answer_rows(group: int, policy: int) -> list[Row]:
    return [
        {
            "group_id": group,
            "position": position,
            "text": ANSWER.format(number=f"{group}-{position}"),
            "policy_id": policy,
            "sampling": "{}",
            "author": "",
            "seed": position,
            "token_count": 40,
            "finish_reason": "stop",
        }
        for position in range(ANSWERS)
    ]


def assignment_row(project: int, group: int) -> Row:
    return {
        "project_id": project,
        "group_id": group,
        "number": 0,
        "shown_order": "[]",
        "is_done": False,
    }


def copy_in(model: type[models.Model], wanted: Iterable[Row]) -> None:
    """COPY on PostgreSQL, an executemany on SQLite."""
    from django.db import connection

    rows = list(wanted)
    names, table = list(rows[0]), model._meta.db_table
    columns = ", ".join(f'"{name}"' for name in names)
    values = [tuple(row.values()) for row in rows]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f'COPY "{table}" ({columns}) FROM STDIN') as copy:
                for value in values:
                    copy.write_row(value)
        else:
            marks = ", ".join(["%s"] * len(names))
            cursor.executemany(f'INSERT INTO "{table}" ({columns}) VALUES ({marks})', values)  # noqa: S608


def prepare(labelers: int) -> list[str]:
    """The project and its labelers, each logged in; their session keys."""
    from django.core.management import call_command

    from annotation.models import Membership, Project, User
    from annotation.services.projects import create_project, set_member

    call_command("migrate", verbosity=0)
    owner = User.objects.create_user("owner")
    project = create_project(
        Project(name="Bench", slug=SLUG, answers_per_group=ANSWERS, overlap=1), owner
    )
    keys = []
    for number in range(labelers):
        user = User.objects.create_user(f"labeler-{number}")
        set_member(project, user, Membership.Role.LABELER)
        keys.append(session_of(user))
    return keys


def session_of(user: "User") -> str:
    """The key of a session in which the user is logged in."""
    from importlib import import_module

    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return str(session.session_key)
