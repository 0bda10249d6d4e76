"""Celery tasks of annotation. Each may run twice, or be lost, without harm."""

from celery import shared_task

from annotation.models import Export
from annotation.selectors.projects import active_projects
from annotation.services import deliveries, exports, uploads, webhooks
from annotation.services.generation import answer_pending_groups, ask_for_answers, call_worker
from annotation.services.groups import release_lapsed_claims
from annotation.services.jobs import call_for_free
from annotation.services.looking import answer_lookers
from annotation.services.upload_claims import call_worker as call_worker_for_upload

GROUPS_A_BATCH = 4


@shared_task
def keep_queues_full() -> None:
    """Beat: asks for answers wherever fewer groups are ready than the project wants, and for the
    work on uploads, exports and deliveries that nobody has."""
    uploads.call_worker_for_free_uploads()
    call_for_free(Export, exports.call_worker)
    webhooks.call_worker_for_due_deliveries()
    release_lapsed_claims()
    for project in active_projects():
        ask_for_answers(project)


@shared_task
def generate_answers(project_id: int) -> None:
    """One batch, then back into the queue, so that training and other projects get their turn."""
    if answer_pending_groups(project_id, GROUPS_A_BATCH):
        call_worker(project_id)


@shared_task
def look_into_policies() -> None:
    """For those who look at a page now; a worker that writes answers looks between two steps."""
    answer_lookers()


@shared_task
def add_uploaded_prompts(upload_id: int) -> None:
    """One turn, then back into the queue, so that other short jobs get theirs."""
    if uploads.work_on_upload(upload_id):
        call_worker_for_upload(upload_id)


@shared_task
def write_exports() -> None:
    """One file, then back into the queue, so that other short jobs get their turn."""
    if exports.write_next_export():
        exports.call_worker()


@shared_task(soft_time_limit=30)
def deliver_webhooks() -> None:
    """A few seconds, then back into the queue, so that other short jobs get their turn."""
    if deliveries.deliver():
        webhooks.call_worker()
