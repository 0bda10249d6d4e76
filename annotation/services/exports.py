"""Files that are taken out, written by a worker one at a time; complete or absent.

A worker that dies leaves its export to the next, which begins anew.
"""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from django.core import signing
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop

from annotation.exchange.files import is_disk_full, put_in_place, sha256_of, write_aside
from annotation.exchange.writing.formats import Format
from annotation.exchange.writing.wanted import Wanted
from annotation.models import Export, Project, User
from annotation.selectors.claims import CLAIM
from annotation.selectors.exports import free_exports, rows_to_export
from annotation.services.repeated import repeated
from annotation.services.snapshots import at_one_moment
from config.celery import app

Status = Export.Status
SAID_EVERY = 2.0  # seconds
SIGNER = signing.Signer(salt="annotation.exports")
NO_ROOM = gettext_noop("The server's disk is full: make room there, and ask for the file again.")
MISTAKE = gettext_noop("A mistake in Laoshi kept it from being written: see the worker's log.")


class NotHeld(Exception):
    """The export was cancelled, or is another worker's by now."""


def ask_for_export(project: Project, by: User, made_as: Format, wanted: Wanted) -> Export:
    """Writes down what is wanted and asks a worker for it."""
    with transaction.atomic():
        export = Export.objects.create(
            project=project, requested_by=by, format=made_as.name, wanted=wanted.as_json()
        )
        transaction.on_commit(call_worker, robust=True)
    return export


def call_worker() -> None:
    app.send_task("annotation.tasks.write_exports")


def call_worker_for_free_exports() -> None:
    """For those that a worker left, or whose message was lost."""
    if free_exports().exists():
        call_worker()


def write_next_export() -> bool:
    """Writes the oldest export that waits; False where there is none, or one is being written."""
    export = _claim()
    if export is None:
        return False
    try:
        _write(export)
    except NotHeld:
        export.file.unlink(missing_ok=True)
    except Exception as error:
        problem = NO_ROOM if is_disk_full(error) else MISTAKE
        failed = {"status": Status.FAILED, "problem": problem, "finished_at": timezone.now()}
        _held(export).update(claim=None, **failed)
        if problem == MISTAKE:
            raise
    return True


@transaction.atomic
def _claim() -> Export | None:
    """One at a time: an export that is being written keeps the others waiting, so that other short
    jobs find a worker."""
    free = list(free_exports().select_for_update().values_list("pk", flat=True)[:1])
    at_work = Export.objects.filter(status=Status.WRITING).exclude(pk__in=free_exports())
    if not free or at_work.exists():
        return None
    Export.objects.filter(pk=free[0]).update(
        status=Status.WRITING,
        claim=uuid.uuid4(),
        claimed_until=timezone.now() + CLAIM,
        read=0,
        rows=0,
        left_out=0,
    )
    return Export.objects.select_related("project").get(pk=free[0])


def _held(export: Export) -> QuerySet[Export]:
    """The export as long as this worker's claim holds and nobody has cancelled it."""
    return Export.objects.filter(pk=export.pk, claim=export.claim, status=Status.WRITING)


def _write(export: Export) -> None:
    made_as, wanted = export.made_as, Wanted.from_json(export.wanted)
    export.file.parent.mkdir(parents=True, exist_ok=True)
    with write_aside(export.file.parent) as (aside, file), at_one_moment():
        total, found = rows_to_export(
            export.project, made_as.source, wanted, export.salt, whole=True
        )
        tally = Tally(total)
        with said(export, tally):
            made_as.container.write(tally.counted(found, made_as), file)
        put_in_place(file, aside, export.file)
    ended = _held(export).update(
        status=Status.DONE,
        size=export.file.stat().st_size,
        sha256=sha256_of(export.file),
        finished_at=timezone.now(),
        claim=None,
        **tally.counts(),
    )
    if not ended:
        raise NotHeld


@dataclass
class Tally:
    """What was read and written so far; `is_lost` when another took over, or it was cancelled."""

    total: int
    read: int = 0
    rows: int = 0
    left_out: int = 0
    is_lost: bool = False

    def counted(
        self, found: Iterator[dict[str, Any] | None], made_as: Format
    ) -> Iterator[Mapping[str, Any]]:
        """The format's rows of what was found. Raises NotHeld."""
        for row in found:
            if self.is_lost:
                raise NotHeld
            self.read += 1
            if row is None:
                continue
            before = self.rows
            for made in made_as.rows(row):
                self.rows += 1
                yield made
            self.left_out += self.rows == before

    def counts(self) -> dict[str, int]:
        return {
            "total": self.total,
            "read": self.read,
            "rows": self.rows,
            "left_out": self.left_out,
        }


def said(export: Export, tally: Tally) -> AbstractContextManager[None]:
    """Says how far it is, and keeps the claim alive, beside the writing: what is written is read as
    it was when it began."""

    def say() -> None:
        claimed_until = timezone.now() + CLAIM
        held = _held(export).update(claimed_until=claimed_until, **tally.counts())
        tally.is_lost = not held

    return repeated(say, SAID_EVERY, export)


def cancel_export(export: Export) -> None:
    """Ends it, if it has not ended already; nothing is left of its file."""
    Export.objects.filter(pk=export.pk, status__in=Export.ACTIVE).update(
        status=Status.CANCELLED, finished_at=timezone.now(), claim=None
    )


def delete_export(export: Export) -> None:
    """With its file; links to it lead nowhere from then on."""
    export.file.unlink(missing_ok=True)
    export.delete()


def delete_old_exports() -> None:
    """Those that nobody wants any more."""
    long_ago = timezone.now() - Export.KEPT
    for export in Export.objects.filter(finished_at__lt=long_ago):
        delete_export(export)


def link_token(export: Export) -> str:
    """What opens the file without a login, until it expires or is deleted."""
    return SIGNER.sign(export.key.hex)


def export_of_token(token: str) -> Export | None:
    """The finished export that a link was made for; None where it is forged, too old or gone."""
    try:
        key = SIGNER.unsign(token)
    except signing.BadSignature:
        return None
    kept = Export.objects.filter(project__deletion_asked_at__isnull=True, status=Status.DONE)
    found = kept.filter(key=key).select_related("project").first()
    return found if found and found.expires_at > timezone.now() else None
