"""Reading snapshots: which there are, their rows, and where what is in them is from."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.db.models import Count, QuerySet

from annotation.exchange.snapshots.data_card import DataCard
from annotation.models import (
    Answer,
    Demonstration,
    Project,
    Prompt,
    PromptGroup,
    Snapshot,
    SnapshotJob,
)
from annotation.selectors.demonstrations import current_demonstrations
from annotation.selectors.rankings import current_rankings, prompts_in_use

Kind = Snapshot.Kind
AS_ROWS = (Kind.GROUPS, Kind.DEMONSTRATIONS, Kind.PROMPTS)
"""Kinds that are a file of rows: a text is a folder."""
ROW_OF = {
    Kind.GROUPS: (PromptGroup, ("upload", "prompt__upload")),
    Kind.DEMONSTRATIONS: (Demonstration, ("upload",)),
    Kind.PROMPTS: (Prompt, ("upload",)),
}
"""What a row is made from, and the imports that may have brought it."""
CHUNK = 500
SHOWN = 5


def snapshots_of(project: Project) -> QuerySet[Snapshot]:
    """The newest first."""
    return project.snapshots.filter(kind__in=AS_ROWS).select_related("taken_by", "project")


def named_snapshots(project: Project) -> QuerySet[Snapshot]:
    return snapshots_of(project).exclude(name="")


def snapshot_jobs_of(project: Project) -> list[SnapshotJob]:
    """What was asked for lately, the newest first."""
    return list(project.snapshotjobs.select_related("snapshot", "project")[:SHOWN])


def rows_to_take(project: Project, kind: str) -> int:
    """How many there are to be read by now."""
    if kind == Kind.GROUPS:
        return current_rankings(project).order_by().values("group").distinct().count()
    if kind == Kind.DEMONSTRATIONS:
        return current_demonstrations(project).count()
    return prompts_in_use(project).count()


def rows_in(snapshot: Snapshot) -> Iterator[dict[str, Any]]:
    """Raises FileNotFoundError where the file was removed."""
    with snapshot.file.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def card_of(snapshot: Snapshot) -> dict[str, Any]:
    """Its data card: figures of its rows, and of rows from here who answered and which imports
    brought them. Raises FileNotFoundError."""
    card, ids = DataCard(), set[int]()
    for row in rows_in(snapshot):
        card.add(row)
        number = re.match(r"[a-z]+-(\d+)", str(row.get("id", "")))
        if number and not snapshot.is_imported:
            ids.add(int(number[1]))
    found = card.as_json()
    return found if snapshot.is_imported else {**found, **_origins(snapshot, sorted(ids))}


def _origins(snapshot: Snapshot, ids: list[int]) -> dict[str, Any]:
    policies, authors, uploads = Counter[str](), Counter[str](), Counter[int]()
    rows, brought_by = ROW_OF[Kind(snapshot.kind)]
    left = iter(ids)
    while chunk := list(islice(left, CHUNK)):
        if snapshot.kind == Kind.GROUPS:
            answers = Answer.objects.filter(group__in=chunk, group__project=snapshot.project_id)
            counted = answers.order_by().values_list("policy__number", "author")
            for number, author, count in counted.annotate(Count("id")):
                (authors if number is None else policies)[str(author or number or 0)] += count
        own = rows._default_manager.filter(project=snapshot.project_id, pk__in=chunk)
        for found in own.values_list(*brought_by):
            uploads[next(filter(None, found), 0)] += 1
    known = snapshot.project.uploads.in_bulk(uploads.keys())
    return {
        "policies": dict(policies.most_common()),
        "authors": dict(authors.most_common()),
        "made_here": uploads.pop(0, 0),
        "sources": [
            {
                "source": known[pk].source or known[pk].name,
                "licence": known[pk].licence,
                "has_consent": known[pk].has_consent,
                "rows": count,
            }
            for pk, count in uploads.most_common()
        ],
    }
