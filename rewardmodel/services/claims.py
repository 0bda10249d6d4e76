"""Who supervises a run: one process at a time, found dead by its silence.

Every write of a supervisor is conditional on its claim, so one that was taken for dead and
wakes up again changes nothing.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from rewardmodel.models import TrainingRun
from rewardmodel.selectors import silent_runs, startable

Status = TrainingRun.Status


@transaction.atomic
def claim_run(run_id: int) -> TrainingRun | None:
    """Takes a queued run, or a running one whose supervisor died; None when it is not free."""
    now = timezone.now()
    free = startable() | Q(pk__in=silent_runs().values("pk"))
    claimed = TrainingRun.objects.filter(free, pk=run_id).update(
        status=Status.RUNNING,
        supervisor=uuid.uuid4(),
        heartbeat_at=now,
        attempts=F("attempts") + 1,
        room_wanted=0,
        reason=None,
    )
    if not claimed:
        return None
    run = TrainingRun.objects.select_related("project", "policy", "snapshot").get(pk=run_id)
    if run.started_at is None:
        run.started_at = now
        run.save(update_fields=["started_at"])
    return run


def held(run: TrainingRun) -> QuerySet[TrainingRun]:
    """The run as long as this supervisor's claim holds; else nothing."""
    return TrainingRun.objects.filter(pk=run.pk, status=Status.RUNNING, supervisor=run.supervisor)


def beat(run: TrainingRun, progress: Mapping[str, Any] | None) -> bool:
    """Renews the heartbeat and records progress; False when the claim was lost.

    A step never reached before gives the run its attempts back: only a run that dies at the
    same place again and again uses them up.
    """
    changes: dict[str, Any] = {"heartbeat_at": timezone.now()}
    if progress is not None:
        changes |= {"phase": progress["phase"], "total_steps": progress["total"]}
        changes |= {"metrics": run.metrics | progress["metrics"], "step": progress["step"]}
        if progress["phase"] == "training" and progress["step"] > run.furthest_step:
            changes |= {"furthest_step": progress["step"], "attempts": 1}
    if not held(run).update(**changes):
        return False
    for name, value in changes.items():
        setattr(run, name, value)
    return True


def is_to_be_cancelled(run: TrainingRun) -> bool:
    run.refresh_from_db(fields=["cancel_requested_at"])
    return run.cancel_requested_at is not None
