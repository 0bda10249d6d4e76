"""Snapshots: what training reads, immutable.

They may be large and take a while: take them outside of a transaction, where they keep nobody from
writing.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max

from annotation.exchange.content_addressed import copy_texts, write_rows
from annotation.models import Project, Snapshot
from annotation.selectors.demonstrations import demonstration_rows
from annotation.selectors.rankings import current_rankings, group_rows, prompt_rows


def take_groups_snapshot(project: Project) -> Snapshot:
    """Every ranked group with its current rankings, oldest first."""
    with at_one_moment():
        last = current_rankings(project).aggregate(Max("id"))["id__max"] or 0
        rankings = current_rankings(project).filter(id__lte=last).count()
        fields = _write(project, group_rows(project, last))
    return Snapshot.objects.create(
        project=project,
        kind=Snapshot.Kind.GROUPS,
        rankings=rankings,
        last_ranking_id=last,
        **fields,
    )


def take_prompts_snapshot(project: Project) -> Snapshot:
    with at_one_moment():
        fields = _write(project, prompt_rows(project))
    return Snapshot.objects.create(project=project, kind=Snapshot.Kind.PROMPTS, **fields)


def take_demonstrations_snapshot(project: Project) -> Snapshot:
    with at_one_moment():
        fields = _write(project, demonstration_rows(project))
    return Snapshot.objects.create(project=project, kind=Snapshot.Kind.DEMONSTRATIONS, **fields)


def take_text_snapshot(project: Project, source: Path) -> Snapshot:
    """A copy of the text file or folder, named by its content."""
    folder, sha256, count = copy_texts(source, settings.VAR_FOLDER / "snapshots" / project.slug)
    return Snapshot.objects.create(
        project=project,
        kind=Snapshot.Kind.TEXT,
        path=str(folder.relative_to(settings.VAR_FOLDER)),
        sha256=sha256,
        rows=count,
    )


@contextmanager
def at_one_moment() -> Iterator[None]:
    """All that is read is as it was at the first read, while others go on writing.

    Within a transaction that is open already it is as that transaction sees it.
    """
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "sqlite":
        sqlite: Any = connection
        mode = sqlite.transaction_mode  # which takes the write lock at once
        sqlite.transaction_mode = None
        try:
            with transaction.atomic():
                yield
        finally:
            sqlite.transaction_mode = mode
    else:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield


def _write(project: Project, rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The file; what its snapshot says of it."""
    file, sha256, count = write_rows(rows, settings.VAR_FOLDER / "snapshots" / project.slug)
    return {"path": str(file.relative_to(settings.VAR_FOLDER)), "sha256": sha256, "rows": count}
