"""Bring the database, the demo project, translations and static files up to date.

`python -m config.prepare`, the part of `make up` that needs Django; a process of its own, so that
the launcher stays small. Run again with nothing changed it changes nothing.
"""

import hashlib
import os
import sys
from contextlib import closing
from io import StringIO
from pathlib import Path

import django
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from config.install import Step, Stop, interrupt_on_terminate
from config.translations import compile_translations


def database_name() -> str:
    """The database without its password."""
    database = settings.DATABASES["default"]
    if connection.vendor == "sqlite":
        return f"SQLite at {database['NAME']}"
    return f"PostgreSQL database {database['NAME']} on {database['HOST'] or 'the local socket'}"


def prepare_database() -> None:
    with Step("Database") as step:
        step.detail = f"connecting to {database_name()}"
        try:
            connection.ensure_connection()
            executor = MigrationExecutor(connection)
            pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
            if pending:
                step.detail = f"{len(pending)} migrations"
                call_command("migrate", interactive=False, verbosity=0)
            step.detail = f"{len(pending)} migrations applied" if pending else "up to date"
        except DatabaseError as error:
            reason = str(error).partition("\n")[0]
            raise Stop(
                f"The {database_name()} cannot be used: {reason}. "
                "Check DATABASE_URL, and that the database runs and has room."
            ) from error


def prepare_demo() -> None:
    with Step("Demo project") as step:
        call_command("load_demo", stdout=StringIO())
        step.detail = "in place"


def prepare_translations() -> None:
    with Step("Translations") as step:
        written = sum(compile_translations(folder) for folder in settings.LOCALE_PATHS)
        step.detail = f"{written} compiled" if written else "up to date"


def static_fingerprint() -> str:
    """Changes when a static file is added, removed or written."""
    digest = hashlib.sha256()
    for finder in get_finders():
        for path, storage in finder.list(None):
            status = Path(storage.path(path)).stat()
            digest.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def prepare_static_files() -> None:
    with Step("Static files") as step:
        stamp = settings.VAR_FOLDER / "static.sha256"
        fingerprint = static_fingerprint()
        step.detail = "up to date"
        if not stamp.exists() or stamp.read_text() != fingerprint:
            step.detail = "collecting"
            call_command("collectstatic", interactive=False, clear=True, verbosity=0)
            stamp.write_text(fingerprint)
            step.detail = "collected"


def main() -> int:
    interrupt_on_terminate()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        django.setup()
        with closing(connection):
            prepare_database()
            prepare_translations()
            prepare_demo()
            prepare_static_files()
    except (Stop, ImproperlyConfigured) as stop:
        print(stop, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error}: check that {settings.VAR_FOLDER} has room.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
