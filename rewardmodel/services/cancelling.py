"""Runs that are cancelled, and go on afterwards."""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.models import Project
from annotation.services.calling import call_after_commit
from rewardmodel.models import TrainingRun
from rewardmodel.selectors import may_go_on
from rewardmodel.services.runs import RunRefused, enqueue, refuse_a_second, refuse_an_archived
from rewardmodel.services.told import tell_of_run

Status = TrainingRun.Status


@transaction.atomic
def request_cancel(run: TrainingRun, *, pause: bool = False) -> None:
    """Ends a queued run at once; a running one when its supervisor sees it, within seconds.

    With `pause`, training no more starts by itself in the run's project.
    """
    if pause:
        Project.objects.filter(pk=run.project_id).update(training_is_automatic=False)
    now = timezone.now()
    runs = TrainingRun.objects.filter(pk=run.pk)
    # First both: a worker may claim the queued run between the two.
    runs.filter(status__in=(Status.RUNNING, Status.QUEUED)).update(cancel_requested_at=now)
    ended = {"status": Status.CANCELLED, "finished_at": now, "reason": None}
    if runs.filter(status=Status.QUEUED).update(**ended):
        tell_of_run(runs.select_related("project").get())


@transaction.atomic
def go_on_with(run: TrainingRun) -> None:
    """Queues a cancelled run again, which goes on from its last checkpoint, on what it read then.

    Raises RunRefused when another run is active, or this one was not cancelled, or too long ago.
    """
    project = Project.objects.select_for_update(no_key=True).get(pk=run.project_id)
    refuse_an_archived(project)
    refuse_a_second(project)
    run.refresh_from_db()
    if not may_go_on(run):
        raise RunRefused(_("The run cannot go on: what it had learned is kept for a week."))
    run.status, run.attempts = Status.QUEUED, 0
    run.cancel_requested_at = run.finished_at = None
    run.save(update_fields=["status", "attempts", "cancel_requested_at", "finished_at"])
    call_after_commit(enqueue, run.pk)
