"""Snapshots that somebody asked for: taken of the project, or made of a file that was sent."""

from collections.abc import Iterable

from django.db import transaction

from annotation.models import Project, Snapshot, SnapshotJob, User
from annotation.selectors.snapshots import rows_to_take
from annotation.services.calling import call_after_commit
from annotation.services.jobs import Progress, end, make_next, said
from annotation.services.snapshots import (
    discard,
    name_snapshot,
    refuse_a_taken_name,
    take_snapshot,
)
from annotation.services.uploads import keep_file
from config.celery import app
from rewardmodel.services.imported_snapshots import Origin, import_snapshot


def ask_for_snapshot(project: Project, by: User, name: str, kind: str) -> SnapshotJob:
    """Of what is there by then. Raises SnapshotRefused."""
    return _ask(SnapshotJob(project=project, requested_by=by, name=name, kind=kind))


def receive_snapshot(
    project: Project, by: User, name: str, origin: Origin, chunks: Iterable[bytes]
) -> SnapshotJob:
    """Keeps a file from elsewhere until a worker has read it. Raises SnapshotRefused, or OSError of
    a full disk, and keeps nothing then."""
    of_file = {"source": origin.source, "licence": origin.licence}
    job = SnapshotJob(project=project, requested_by=by, name=name, **of_file)
    job.has_consent = origin.has_consent
    refuse_a_taken_name(project, name)
    job.total = keep_file(job.file, chunks)
    try:
        return _ask(job)
    except BaseException:
        job.file.unlink(missing_ok=True)
        raise


def _ask(job: SnapshotJob) -> SnapshotJob:
    refuse_a_taken_name(job.project, job.name)
    with transaction.atomic():
        job.save()
        call_after_commit(call_worker)
    return job


def call_worker() -> None:
    app.send_task("rewardmodel.tasks.make_snapshots")


def make_next_snapshot() -> bool:
    """False where none waits, or one is being made."""
    return make_next(SnapshotJob, _make)


def _make(job: SnapshotJob) -> None:
    refuse_a_taken_name(job.project, job.name)
    with said(job, progress := Progress(job.total)):
        snapshot = _snapshot(job, progress)
    snapshot.taken_by = job.requested_by
    try:
        with transaction.atomic():  # named and ended, or neither
            name_snapshot(snapshot, job.name)
            end(job, snapshot=snapshot, **progress.counts())
    except BaseException:
        discard(snapshot)
        raise


def _snapshot(job: SnapshotJob, progress: Progress) -> Snapshot:
    """Without a name yet, but with its card."""
    if job.kind:
        progress.total = rows_to_take(job.project, job.kind)
        return take_snapshot(job.project, job.kind, progress.each)
    origin = Origin(job.source, job.licence, job.has_consent)
    with job.file.open("rb") as lines:
        return import_snapshot(job.project, progress.each(lines), origin)
