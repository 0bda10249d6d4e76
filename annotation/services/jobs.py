"""What workers make while somebody waits: claimed, kept alive, ended, or cancelled; and its links.

Of each kind one at a time. A worker that dies leaves its job to the next, which begins anew.
"""

import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

from django.core import signing
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop

from annotation.exchange.files import is_disk_full, put_in_place, sha256_of
from annotation.exchange.wording import Values, Worded
from annotation.models import Project
from annotation.models.job import FileJob, Job
from annotation.selectors.claims import CLAIM
from annotation.selectors.jobs import KINDS, free_jobs
from annotation.services.repeated import repeated

T = TypeVar("T")
J = TypeVar("J", bound=Job)
F = TypeVar("F", bound=FileJob)
Status = Job.Status
SAID_EVERY = 2.0  # seconds
SIGNER = signing.Signer(salt="annotation.exports")
NO_ROOM = gettext_noop("The server's disk is full: make room there, and ask for it again.")
MISTAKE = gettext_noop("A mistake in Laoshi kept it from being made: see the worker's log.")


class NotHeld(Exception):
    """The job was cancelled, or is another worker's by now."""


@dataclass
class Progress:
    """What was read so far; `is_lost` when another took over, or it was cancelled."""

    total: int = 0
    read: int = 0
    is_lost: bool = False

    def each(self, rows: Iterable[T]) -> Iterator[T]:
        """The rows, counted. Raises NotHeld."""
        for row in rows:
            self.require()
            self.read += 1
            yield row

    def require(self) -> None:
        """Raises NotHeld."""
        if self.is_lost:
            raise NotHeld

    def counts(self) -> dict[str, int]:
        return {"total": self.total, "read": self.read}


def call_for_free(jobs: type[Job], call_worker: Callable[[], None]) -> None:
    """For those that a worker left, or whose message was lost."""
    if free_jobs(jobs).exists():
        call_worker()


def make_next(jobs: type[J], make: Callable[[J], None]) -> bool:
    """Makes the oldest that waits; False where there is none, or one is being made.

    A Worded problem that `make` raises is kept with the job; a mistake is raised, too.
    """
    job = _claim(jobs)
    if job is None:
        return False
    try:
        make(job)
    except NotHeld:
        return True
    except Worded as problem:
        _fail(job, problem.template, problem.values)
    except Exception as error:
        if not held(job).exists():  # then what it worked on was put away
            return True
        if not is_disk_full(error):
            _fail(job, MISTAKE)
            raise
        _fail(job, NO_ROOM)
    return True


def _claim(jobs: type[J]) -> J | None:
    """One at a time: one that is being made keeps the others waiting, so that other jobs find a
    worker."""
    rows: QuerySet[J] = jobs._default_manager.all()
    with transaction.atomic():
        free = list(free_jobs(jobs).select_for_update().values_list("pk", flat=True)[:1])
        at_work = rows.filter(status=Status.WRITING).exclude(pk__in=free_jobs(jobs))
        if not free or at_work.exists():
            return None
        claimed = {"claim": uuid.uuid4(), "claimed_until": timezone.now() + CLAIM}
        rows.filter(pk=free[0]).update(status=Status.WRITING, read=0, **claimed)
        return rows.select_related("project").get(pk=free[0])


def held(job: J) -> QuerySet[J]:
    """The job as long as this worker's claim holds and nobody has cancelled it."""
    rows: QuerySet[J] = type(job)._default_manager.all()
    return rows.filter(pk=job.pk, claim=job.claim, status=Status.WRITING)


def said(job: Job, progress: Progress) -> AbstractContextManager[None]:
    """Says how far it is, and keeps the claim alive, beside the work, which may read everything as
    it was when it began."""

    def say() -> None:
        claimed_until = timezone.now() + CLAIM
        progress.is_lost = not held(job).update(claimed_until=claimed_until, **progress.counts())

    return repeated(say, SAID_EVERY, job)


def end(job: Job, **made: Any) -> None:
    """It is done. Raises NotHeld where it was cancelled meanwhile, or is another worker's."""
    ended = {"status": Status.DONE, "finished_at": timezone.now(), "claim": None}
    if not held(job).update(**ended, **made):
        raise NotHeld
    _put_away(job)


def end_with_file(job: FileJob, file: IO[bytes], progress: Progress) -> None:
    """The same of one whose file was written aside: it is put in place by whoever ends the job, so
    that nobody touches another worker's. Raises NotHeld."""
    aside = Path(file.name)
    with said(job, progress):
        file.flush()
        os.fsync(file.fileno())  # takes a while of a large one, before the row is locked
        made = {"size": aside.stat().st_size, "sha256": sha256_of(aside)}
    with transaction.atomic():
        end(job, **made, **progress.counts())
        put_in_place(file, aside, job.file)


@contextmanager
def workplace(job: FileJob) -> Iterator[Path]:
    """A folder beside its file for this worker alone, which is gone afterwards; so is what one that
    died left of the job."""
    _clear(job)
    folder = job.file.with_name(f".{job.key.hex}.{job.claim}.partial")
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def left_of(job: Job) -> list[Path]:
    """What workers wrote aside for it."""
    return list(job.file.parent.glob(f".{job.key.hex}.*"))


def _clear(job: Job) -> None:
    for folder in left_of(job):
        shutil.rmtree(folder, ignore_errors=True)


def _fail(job: Job, problem: str, values: Values | None = None) -> None:
    failed = {"status": Status.FAILED, "finished_at": timezone.now(), "claim": None}
    if held(job).update(problem=problem, problem_values=values or {}, **failed):
        _put_away(job)


def _put_away(job: Job) -> None:
    """What was handed in for it is needed no longer."""
    if not isinstance(job, FileJob):
        job.file.unlink(missing_ok=True)


def cancel(job: Job) -> None:
    """Ends it, if it has not ended already; nothing comes of it."""
    active = type(job)._default_manager.filter(pk=job.pk, status__in=Job.ACTIVE)
    if active.update(status=Status.CANCELLED, finished_at=timezone.now(), claim=None):
        _put_away(job)
        _clear(job)


def cancel_all(project: Project) -> None:
    """What is being made of it, or waits."""
    for jobs in KINDS:
        for job in jobs._default_manager.filter(project=project, status__in=Job.ACTIVE):
            cancel(job)


def delete(job: Job) -> None:
    """With its file; links to it lead nowhere from then on."""
    with transaction.atomic():  # a worker that ends it meanwhile was faster, or finds it gone
        type(job)._default_manager.select_for_update().filter(pk=job.pk).first()
        job.file.unlink(missing_ok=True)
        _clear(job)
        job.delete()


def delete_old(jobs: type[Job]) -> None:
    """Those that nobody wants any more."""
    long_ago = timezone.now() - Job.KEPT
    for job in jobs._default_manager.filter(finished_at__lt=long_ago):
        delete(job)


def link_token(job: FileJob) -> str:
    """What opens the file without a login, until it expires or is deleted."""
    return SIGNER.sign(job.key.hex)


def job_of_token(jobs: type[F], token: str) -> F | None:
    """What a link was made for, if it is done; None where it is forged, too old or gone."""
    try:
        key = SIGNER.unsign(token)
    except signing.BadSignature:
        return None
    rows: QuerySet[F] = jobs._default_manager.filter(project__deletion_asked_at__isnull=True)
    found = rows.filter(key=key).select_related("project").first()
    return found if found and found.is_there else None
