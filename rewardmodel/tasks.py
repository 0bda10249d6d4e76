"""Celery tasks of learning. Each may run twice, or be lost, without harm."""

import logging

from celery import shared_task

from annotation.models import MergedModel, Project, SnapshotJob
from annotation.selectors.jobs import KINDS
from annotation.selectors.projects import active_projects
from annotation.services.deliveries import delete_old_deliveries
from annotation.services.generation import MESSAGE_LIFE
from annotation.services.idempotency import delete_old_requests
from annotation.services.imports import give_up_undecided
from annotation.services.jobs import call_for_free, delete_old
from config.celery import app
from rewardmodel.selectors import (
    automatic_projects,
    is_behind,
    new_rankings,
    projects_to_delete,
    runs_to_pick_up,
)
from rewardmodel.selectors.judging import free_judgings
from rewardmodel.services import (
    RunRefused,
    archiving,
    cleaning,
    judging,
    merging,
    snapshot_jobs,
    start_due_run,
    start_reward_run,
    start_run,
)
from rewardmodel.services.comparisons import decide_comparisons
from rewardmodel.services.runs import enqueue
from rewardmodel.services.text_scores import answer_askers

logger = logging.getLogger(__name__)


@shared_task
def tend_training() -> None:
    """Beat: picks up runs that nobody supervises, ends comparisons that people have decided, calls
    judge models, starts what has become due, calls the live heads that have not followed what was
    ranked, deletes projects, and calls for snapshots and merged models that nobody makes."""
    for run_id in runs_to_pick_up():
        enqueue(run_id)
    call_for_free(SnapshotJob, snapshot_jobs.call_worker)
    call_for_free(MergedModel, merging.call_worker)
    decide_comparisons()
    for judged in free_judgings():
        judging.call_judge(judged)
    for project in automatic_projects():
        start_what_is_due.delay(project.pk)
    for project in active_projects():
        if is_behind(project):
            call_follower(project.pk)
    for project in projects_to_delete():
        delete_project.delay(project.pk)


@shared_task
def delete_project(project_id: int) -> None:
    archiving.delete_project(project_id)


@shared_task
def follow_rankings(project_id: int) -> None:
    """One turn of the live head, then back into the queue, so that others get theirs."""
    from rewardmodel.services.live_head import follow_rankings as follow

    project = Project.objects.get(pk=project_id)
    if is_behind(project) and follow(project):
        call_follower(project_id)


def call_follower(project_id: int) -> None:
    app.send_task("rewardmodel.tasks.follow_rankings", (project_id,), expires=MESSAGE_LIFE)


@shared_task
def judge_pairs(judging_id: int) -> None:
    """One turn of a judge model, then back into the queue, so that others get theirs."""
    unfinished = judging.judge_next_pairs(judging_id)
    if unfinished is not None:
        judging.call_judge(unfinished)


@shared_task
def make_snapshots() -> None:
    """One, then back into the queue, so that other short jobs get their turn."""
    if snapshot_jobs.make_next_snapshot():
        snapshot_jobs.call_worker()


@shared_task
def merge_models() -> None:
    """One, then back into the queue, so that what waits for the accelerator gets its turn."""
    if merging.merge_next():
        merging.call_worker()


@shared_task
def score_texts() -> None:
    """For those who look at a page now."""
    answer_askers()


@shared_task
def start_what_is_due(project_id: int) -> None:
    """Of one project, so that what goes wrong in it keeps no other one waiting."""
    project = Project.objects.get(pk=project_id)
    try:
        start_due_run(project)
    except RunRefused as refusal:
        logger.warning("Project %s: %s", project.slug, refusal)


@shared_task
def train_on_schedule() -> None:
    """For a schedule of the installation: trains wherever anything new was ranked."""
    for project in automatic_projects():
        if new_rankings(project):
            try:
                start_reward_run(project)
            except RunRefused as refusal:
                logger.warning("Project %s: %s", project.slug, refusal)


@shared_task
def clean_up() -> None:
    """Beat, daily: removes files that no version needs, and what was taken out, brought in or sent
    long ago."""
    cleaning.clean_up()
    for jobs in KINDS:
        delete_old(jobs)
    delete_old_deliveries()
    delete_old_requests()
    give_up_undecided()


@shared_task
def train(slug: str, kind: str) -> None:
    """For a schedule that an admin adds: arguments ["demo", "demonstrations"], for example."""
    try:
        start_run(Project.objects.get(slug=slug), kind)
    except RunRefused as refusal:
        logger.warning("Project %s: %s", slug, refusal)


@shared_task
def supervise_run(run_id: int) -> None:
    """Occupies the accelerator until the training process has ended."""
    from annotation.lm.warm import warm_policy
    from rewardmodel.services.supervision import supervise

    warm_policy.release()
    supervise(run_id)
