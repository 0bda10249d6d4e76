"""Snapshots: what training reads, immutable."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Max

from annotation.exchange.content_addressed import copy_texts, write_rows
from annotation.models import Project, Snapshot
from annotation.selectors.demonstrations import demonstration_rows
from annotation.selectors.rankings import current_rankings, group_rows, prompt_rows


def take_groups_snapshot(project: Project) -> Snapshot:
    """Every ranked group with its current rankings, oldest first."""
    last = current_rankings(project).aggregate(Max("id"))["id__max"] or 0
    rankings = current_rankings(project).filter(id__lte=last)
    return _take(
        project,
        Snapshot.Kind.GROUPS,
        group_rows(project, last),
        rankings=rankings.count(),
        last_ranking_id=last,
    )


def take_prompts_snapshot(project: Project) -> Snapshot:
    return _take(project, Snapshot.Kind.PROMPTS, prompt_rows(project))


def take_demonstrations_snapshot(project: Project) -> Snapshot:
    return _take(project, Snapshot.Kind.DEMONSTRATIONS, demonstration_rows(project))


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


def _take(
    project: Project, kind: str, rows: Iterable[Mapping[str, Any]], **counts: int
) -> Snapshot:
    folder = settings.VAR_FOLDER / "snapshots" / project.slug
    file, sha256, count = write_rows(rows, folder)
    return Snapshot.objects.create(
        project=project,
        kind=kind,
        path=str(file.relative_to(settings.VAR_FOLDER)),
        sha256=sha256,
        rows=count,
        **counts,
    )
