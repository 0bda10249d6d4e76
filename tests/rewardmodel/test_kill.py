"""kill -9 in the middle of everything: no label lost, nothing half-written, work picked up."""

import os
import random
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from django.utils import timezone

from annotation.models import Assignment, Project, PromptGroup, Ranking, Triple
from annotation.services.policies import promote
from annotation.tasks import keep_queues_full
from rewardmodel.models import TrainingRun
from rewardmodel.rehearsal.labelers import hire, rank_everything
from rewardmodel.services import request_cancel, start_policy_run, start_reward_run
from rewardmodel.services.runs import enqueue
from rewardmodel.tasks import tend_training
from tests.people import all_ready, answer_everything
from tests.rewardmodel.runs import attempts, went_on
from tests.rewardmodel.teachers import likes_ascii
from tests.worker import Worker, database_url, wait_for

pytestmark = pytest.mark.django_db(transaction=True)

RANK_EVERYTHING = """
import random, sys, django
django.setup()
from annotation.models import Project, User
from rewardmodel.rehearsal.labelers import rank_everything
from tests.rewardmodel.runs import attempts, went_on
from tests.rewardmodel.teachers import likes_ascii
labeler = User.objects.get(username=sys.argv[1])
rank_everything(Project.objects.get(), [labeler], likes_ascii, 0.0, random.Random(0))
"""


def test_a_worker_killed_while_generating_leaves_whole_groups_and_the_rest_is_done_later(
    taught: Project, worker: Worker
) -> None:
    taught.max_new_tokens, taught.queue_target = 300, 8
    taught.save()
    keep_queues_full.delay()
    status = PromptGroup.Status
    wait_for(lambda: taught.groups.filter(status=status.GENERATING).exists())
    worker.kill()
    for group in taught.groups.all():
        whole = group.answer_count if group.status == status.READY else 0
        assert group.answers.count() == whole
    taught.groups.update(claimed_until=timezone.now() - timedelta(seconds=1))
    worker.start()
    keep_queues_full.delay()
    wait_for(lambda: all_ready(taught), 90)


def test_a_process_killed_while_ranking_loses_no_label_and_halves_none(taught: Project) -> None:
    answer_everything(taught)
    [labeler] = hire(taught, 1)
    process = subprocess.Popen(
        [sys.executable, "-c", RANK_EVERYTHING, labeler.username],
        env={
            **os.environ,
            "DATABASE_URL": database_url(),
            "DJANGO_SETTINGS_MODULE": "config.settings",
        },
    )
    wait_for(lambda: Ranking.objects.count() >= 2)
    process.kill()
    process.wait()
    stored = Ranking.objects.count()
    assert Triple.objects.count() == stored * taught.answers_per_group
    assert Assignment.objects.filter(is_done=True).count() == stored
    rank_everything(taught, [labeler], likes_ascii, 0.0, random.Random(0))
    assert Ranking.objects.count() == taught.queue_target


def test_killed_while_training_and_while_updating_both_go_on_from_their_checkpoints(
    taught: Project, worker: Worker
) -> None:
    taught.reward_settings |= {"method": "finetune", "checkpoint_every": 5, "minimum_steps": 100}
    taught.policy_settings |= {"checkpoint_every": 2, "steps": 40}
    taught.training_is_automatic = False
    taught.save()
    keep_queues_full.delay()
    wait_for(lambda: all_ready(taught))
    rank_everything(taught, hire(taught, 1), likes_ascii, 0.0, random.Random(0))

    run = start_reward_run(taught)
    wait_for(lambda: step_of(run) >= 6)
    kill_training(run)
    wait_for(lambda: len(attempts(run)) == 2)
    worker.kill()
    wait_for(lambda: not training_processes(run), 15)
    assert not Path(run.config["output"]).exists()
    resume(run, worker)
    assert len(attempts(run)) == 3
    assert went_on(run)

    assert run.produced_reward_model is not None
    promote(run.produced_reward_model)  # whatever its gate says: an admin may
    update = start_policy_run(taught)
    wait_for(lambda: step_of(update) >= 3, tell=lambda: state_of(update))
    worker.kill()
    wait_for(lambda: not training_processes(update), 15)
    assert not Path(update.config["output"]).exists()
    resume(update, worker)
    assert went_on(update)
    assert update.produced_policy is not None


def test_a_worker_that_is_stopped_hands_its_run_back_and_uses_up_no_attempt(
    learnable: Project, worker: Worker
) -> None:
    learnable.training_is_automatic = False
    learnable.save()
    run = start_reward_run(learnable)
    wait_for(lambda: status_of(run) == TrainingRun.Status.RUNNING)
    assert run.attempts == 1
    worker.stop()
    assert status_of(run) == TrainingRun.Status.QUEUED
    assert run.attempts == 0
    assert not training_processes(run)
    worker.start()
    enqueue(run.pk)
    wait_for(lambda: status_of(run) == TrainingRun.Status.SUCCEEDED, 180, lambda: state_of(run))


def test_a_training_at_work_is_cancelled_within_seconds(learnable: Project, worker: Worker) -> None:
    run = start_reward_run(learnable)
    wait_for(lambda: training_processes(run))
    request_cancel(run)
    wait_for(lambda: status_of(run) == TrainingRun.Status.CANCELLED, 8)
    assert not training_processes(run)


def status_of(run: TrainingRun) -> str:
    run.refresh_from_db()
    return run.status


def resume(run: TrainingRun, worker: Worker) -> None:
    """Half a minute of silence, a new worker, beat, and the run ends well."""
    TrainingRun.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    worker.start()
    tend_training()

    def ended() -> bool:
        run.refresh_from_db()
        return not run.is_active

    wait_for(ended, 90)
    assert run.status == TrainingRun.Status.SUCCEEDED, run.reason


def state_of(run: TrainingRun) -> str:
    return f"{run.status}, {run.phase} {run.step}: {(run.folder / 'progress.jsonl').read_text()}"


def step_of(run: TrainingRun) -> int:
    run.refresh_from_db()
    assert run.status in (*TrainingRun.ACTIVE, TrainingRun.Status.SUCCEEDED), run.reason
    return run.step if run.phase in ("sampling", "training") else 0


def training_processes(run: TrainingRun) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(run.folder) in (process.info["cmdline"] or [])
    ]


def kill_training(run: TrainingRun) -> None:
    for process in training_processes(run):
        os.kill(process.pid, signal.SIGKILL)
