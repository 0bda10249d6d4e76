"""Reading what workers make while somebody waits."""

from typing import TypeVar

from django.db.models import Q, QuerySet

from annotation.models import Export, MergedModel, SnapshotJob
from annotation.models.job import Job
from annotation.selectors.claims import run_out

J = TypeVar("J", bound=Job)
KINDS: tuple[type[Job], ...] = (Export, SnapshotJob, MergedModel)


def free_jobs(jobs: type[J]) -> QuerySet[J]:
    """At work, but in nobody's hands; the oldest first."""
    rows: QuerySet[J] = jobs._default_manager.filter(status__in=Job.ACTIVE)
    return rows.filter(Q(claim__isnull=True) | run_out()).order_by("id")


def jobs_in_hands(jobs: type[J]) -> QuerySet[J]:
    """Those that a worker may be writing yet: it hears a while later that one was cancelled."""
    rows: QuerySet[J] = jobs._default_manager.filter(claimed_until__isnull=False)
    return rows.filter(~run_out(), status__in=(Job.Status.WRITING, Job.Status.CANCELLED))
