"""Starting and cancelling training runs."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from annotation.models import PolicyVersion, Project, Snapshot, User
from annotation.selectors.rankings import current_rankings
from annotation.services.snapshots import (
    take_demonstrations_snapshot,
    take_groups_snapshot,
    take_prompts_snapshot,
    take_text_snapshot,
)
from config.celery import app
from rewardmodel.learning.configs import (
    Config,
    LanguageConfig,
    PolicyConfig,
    RewardConfig,
    check_overrides,
)
from rewardmodel.models import TrainingRun
from rewardmodel.selectors import (
    active_run,
    champion_policy,
    champion_reward_model,
    new_rankings,
    text_folder,
)

Kind, Status = TrainingRun.Kind, TrainingRun.Status

CONFIGS: dict[TrainingRun.Kind, type[Config]] = {
    Kind.TEXT: LanguageConfig,
    Kind.DEMONSTRATIONS: LanguageConfig,
    Kind.REWARD: RewardConfig,
    Kind.POLICY: PolicyConfig,
}


class RunRefused(Exception):
    """A sentence that says why no run was started."""


def check_settings(kind: str, values: dict[str, Any]) -> None:
    """Raises ValueError with a sentence when training settings do not fit the kind of run."""
    check_overrides(CONFIGS[Kind(kind)], values)


def start_text_run(
    project: Project,
    source: Path,
    overrides: dict[str, Any] | None = None,
    started_by: User | None = None,
) -> TrainingRun:
    """Queues stage 1: the policy goes on learning to continue text, from a file or a folder.

    With a `preset` among the overrides a new model is made from scratch instead. Raises
    RunRefused when a run is active or there is no text.
    """
    if not source.exists():
        raise RunRefused(f"There is no text at {source}: put a file or a folder there.")
    take = partial(take_text_snapshot, source=source)
    return _start_language_run(project, Kind.TEXT, take, overrides or {}, started_by)


def start_demonstrations_run(
    project: Project,
    overrides: dict[str, Any] | None = None,
    started_by: User | None = None,
) -> TrainingRun:
    """Queues stage 2: the policy learns to answer as people showed.

    Raises RunRefused when a run is active or nobody has shown an answer yet.
    """
    if not project.demonstrations.filter(is_current=True).exists():
        raise RunRefused("There are no demonstrations to learn from yet.")
    take = take_demonstrations_snapshot
    return _start_language_run(project, Kind.DEMONSTRATIONS, take, overrides or {}, started_by)


def _start_language_run(
    project: Project,
    kind: TrainingRun.Kind,
    take_snapshot: Callable[[Project], Snapshot],
    overrides: dict[str, Any],
    started_by: User | None,
) -> TrainingRun:
    with _alone(project, kind, overrides):
        policy = champion_policy(project)
        run = TrainingRun.objects.create(
            project=project,
            kind=kind,
            snapshot=take_snapshot(project),
            policy=policy,
            started_by=started_by,
        )
        parent = {} if overrides.get("preset") else _parent(policy)
        return _enqueued(run, {"stage": kind.value, "merge": True, **parent, **overrides})


def _parent(policy: PolicyVersion) -> dict[str, Any]:
    """Where a run that goes on from the policy begins."""
    return {
        "base_model": policy.base_model,
        "adapter": policy.adapter,
    }


def start_reward_run(project: Project, started_by: User | None = None) -> TrainingRun:
    """Freezes all rankings and queues the training of a reward model on them.

    Raises RunRefused when a run is active, or nothing was ranked yet.
    """
    if not current_rankings(project).exists():
        raise RunRefused("There are no rankings to learn from yet.")
    with _alone(project, Kind.REWARD, project.reward_settings):
        policy = champion_policy(project)
        run = TrainingRun.objects.create(
            project=project,
            kind=Kind.REWARD,
            snapshot=take_groups_snapshot(project),
            policy=policy,
            started_by=started_by,
        )
        return _enqueued(run, {"base_model": policy.base_model, **project.reward_settings})


def start_policy_run(project: Project, started_by: User | None = None) -> TrainingRun:
    """Queues an update of the serving policy towards what the champion reward model prefers.

    Raises RunRefused when a run is active, or no reward model has passed its gate.
    """
    reward_model = champion_reward_model(project)
    if reward_model is None:
        raise RunRefused("No reward model has passed its gate yet: train one first.")
    with _alone(project, Kind.POLICY, project.policy_settings):
        policy = champion_policy(project)
        run = TrainingRun.objects.create(
            project=project,
            kind=Kind.POLICY,
            snapshot=take_prompts_snapshot(project),
            policy=policy,
            reward_model=reward_model,
            started_by=started_by,
        )
        values = {
            **_parent(policy),
            "reward_model": str(reward_model.folder),
            "max_new_tokens": project.max_new_tokens,
            "answers_per_prompt": project.answers_per_group,
            "kl_budget": project.kl_budget,
            **project.policy_settings,
        }
        return _enqueued(run, values)


def start_run(
    project: Project,
    kind: str,
    overrides: dict[str, Any] | None = None,
    started_by: User | None = None,
) -> TrainingRun:
    """Queues a run of any kind, as a button, a schedule or a command asks for it.

    Raw text is what lies in the project's `text_folder`; overrides are for the first two stages.
    Raises RunRefused.
    """
    if kind == Kind.TEXT:
        return start_text_run(project, text_folder(project), overrides, started_by)
    if kind == Kind.DEMONSTRATIONS:
        return start_demonstrations_run(project, overrides, started_by)
    if kind == Kind.REWARD:
        return start_reward_run(project, started_by)
    return start_policy_run(project, started_by)


def start_due_run(project: Project) -> TrainingRun | None:
    """Starts what the loop asks for next: an update towards a new reward model, else a new
    reward model once enough rankings have come. None when nothing is due."""
    if active_run(project) is not None:
        return None
    reward_model = champion_reward_model(project)
    if reward_model is not None and not reward_model.runs.exists():
        return start_policy_run(project)
    if new_rankings(project) >= project.training_threshold:
        return start_reward_run(project)
    return None


@transaction.atomic
def request_cancel(run: TrainingRun) -> None:
    """Ends a queued run at once; a running one when its supervisor sees it, within seconds."""
    now = timezone.now()
    runs = TrainingRun.objects.filter(pk=run.pk)
    runs.filter(status=Status.RUNNING).update(cancel_requested_at=now)
    runs.filter(status=Status.QUEUED).update(
        status=Status.CANCELLED, cancel_requested_at=now, finished_at=now
    )


def enqueue(run_id: int) -> None:
    """Asks the accelerator worker to supervise the run; asked twice, it still runs once."""
    app.send_task("rewardmodel.tasks.supervise_run", (run_id,))


@contextmanager
def _alone(project: Project, kind: str, values: dict[str, Any]) -> Iterator[None]:
    """A transaction in which no other run of the project can be started."""
    try:
        check_settings(kind, values)
    except ValueError as problem:
        raise RunRefused(f"The project's training settings do not fit: {problem}") from problem
    with transaction.atomic():
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        active = active_run(project)
        if active is not None:
            raise RunRefused(
                f"Run {active.pk} ({active.get_kind_display()}) is {active.get_status_display()}: "
                "wait until it ends, or cancel it."
            )
        yield


def _enqueued(run: TrainingRun, values: dict[str, Any]) -> TrainingRun:
    run.config = {
        "seed": random.getrandbits(31),
        **values,
        "snapshot": str(run.snapshot.file),
        "output": str(settings.VAR_FOLDER / "models" / run.project.slug / run.folder_name),
    }
    run.save(update_fields=["config"])
    transaction.on_commit(partial(enqueue, run.pk), robust=True)
    return run
