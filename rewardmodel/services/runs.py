"""Starting training runs."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import OperationalError, transaction
from django.utils.translation import gettext as _

from annotation.exchange.files import is_disk_full, require_room
from annotation.models import PolicyVersion, Project, Snapshot, User
from annotation.selectors.policies import champion_policy
from annotation.selectors.rankings import current_rankings
from annotation.services.calling import call_after_commit
from annotation.services.snapshots import (
    take_demonstrations_snapshot,
    take_groups_snapshot,
    take_prompts_snapshot,
    take_text_snapshot,
)
from config import space
from config.celery import app
from rewardmodel.models import RewardModelVersion, TrainingRun
from rewardmodel.selectors import (
    active_run,
    champion_reward_model,
    due_kinds,
    kinds_reading,
    learns_from_rankings,
    new_rankings,
    rest_before,
    text_folder,
)
from rewardmodel.services.run_inputs import given, shown_answers
from rewardmodel.services.training_settings import STARTS_FROM, as_run_takes_it, starting_policy

Kind = TrainingRun.Kind


class RunRefused(Exception):
    """A sentence that says why no run was started."""


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
        raise RunRefused(
            _("There is no text at %(path)s: put a file or a folder there.") % {"path": source}
        )
    take = partial(take_text_snapshot, source=source)
    chosen = _chosen(project.text_settings, overrides)
    return _start(project, Kind.TEXT, take, chosen, started_by)


def start_demonstrations_run(
    project: Project,
    overrides: dict[str, Any] | None = None,
    started_by: User | None = None,
    snapshot: Snapshot | None = None,
) -> TrainingRun:
    """Queues stage 2: the policy learns to answer as people showed, or as a `snapshot` does.

    Raises RunRefused when a run is active or nobody has shown an answer yet.
    """
    if snapshot is None:
        _require_demonstrations(project)
    take = _given_or(snapshot, take_demonstrations_snapshot)
    chosen = _chosen(project.demonstrations_settings, overrides)
    return _start(project, Kind.DEMONSTRATIONS, take, chosen, started_by)


def _chosen(stored: Any, overrides: dict[str, Any] | None) -> Any:
    """Overrides win over what the project has stored, which may be any JSON."""
    return {**stored, **(overrides or {})} if isinstance(stored, dict) else stored


def start_reward_run(
    project: Project, started_by: User | None = None, snapshot: Snapshot | None = None
) -> TrainingRun:
    """Queues stage 3: a reward model learns from all rankings, or from those of a `snapshot`.

    Raises RunRefused when a run is active, or nothing was ranked yet.
    """
    if snapshot is None:
        _require_rankings(project)
    take = _given_or(snapshot, take_groups_snapshot)
    return _start(project, Kind.REWARD, take, project.reward_settings, started_by)


def start_policy_run(
    project: Project, started_by: User | None = None, snapshot: Snapshot | None = None
) -> TrainingRun:
    """Queues stage 4: the policy is updated towards what the champion reward model prefers, or,
    where the project's settings say so, straight from all rankings, whether or not one can judge;
    with a `snapshot` on its prompts, or from its rankings.

    Raises RunRefused when a run is active, no reward model has passed its gate, or nothing was
    ranked yet.
    """
    judge = champion_reward_model(project)
    if learns_from_rankings(project):
        if snapshot is None:
            _require_rankings(project)
        take: Callable[[Project], Snapshot] = take_groups_snapshot
    elif judge is None:
        raise RunRefused(_("No reward model has passed its gate yet: train one first."))
    else:
        take = take_prompts_snapshot
    take = _given_or(snapshot, take)
    return _start(project, Kind.POLICY, take, project.policy_settings, started_by, judge)


def start_pretraining_run(
    project: Project,
    overrides: dict[str, Any] | None = None,
    started_by: User | None = None,
) -> TrainingRun:
    """Queues a report of what pretraining helps: the project's demonstrations and rankings are
    learned from the model that it began with, and from a fresh one of the same shape.

    Raises RunRefused when a run is active, or there are none of either yet.
    """
    _require_demonstrations(project)
    _require_rankings(project)
    chosen = {STARTS_FROM: 0, **(overrides or {})}
    return _start(project, Kind.PRETRAINING, take_groups_snapshot, chosen, started_by)


def _given_or(
    snapshot: Snapshot | None, take: Callable[[Project], Snapshot]
) -> Callable[[Project], Snapshot]:
    """What gives a run its snapshot: the one that was chosen, or `take`. Raises RunRefused where
    the file of the chosen one was removed."""
    if snapshot is None:
        return take
    if not snapshot.is_there:
        raise RunRefused(_("The snapshot's file was removed, as nothing needed it any more."))
    chosen = snapshot
    return lambda _project: chosen


def _require_demonstrations(project: Project) -> None:
    if not project.demonstrations.filter(is_current=True).exists():
        raise RunRefused(_("There are no demonstrations to learn from yet."))


def _require_rankings(project: Project) -> None:
    if not current_rankings(project).exists():
        raise RunRefused(_("There are no rankings to learn from yet."))


def _start(
    project: Project,
    kind: TrainingRun.Kind,
    take_snapshot: Callable[[Project], Snapshot],
    chosen: Any,
    started_by: User | None,
    judge: RewardModelVersion | None = None,
) -> TrainingRun:
    """Freezes what the run is to read and queues it, on the serving policy or the chosen one.

    What people have `chosen` wins over what a run of its kind is given. Raises RunRefused.
    """
    refuse_an_archived(project)
    try:
        policy = None if kind == Kind.REWARD else starting_policy(project, chosen)
        chosen = as_run_takes_it(project, kind, chosen)
    except ValueError as problem:
        raise RunRefused(
            _("The project's training settings do not fit: %(problem)s") % {"problem": problem}
        ) from problem
    refuse_a_second(project)  # before anything is written for nothing
    with _refused_without_room():
        snapshot = take_snapshot(project)
        run = TrainingRun(
            project=project,
            kind=kind,
            snapshot=snapshot,
            reward_model=judge,
            started_by=started_by,
        )
        reads_both = kind in (Kind.REWARD, Kind.PRETRAINING)
        _queue(run, policy, shown_answers(project) if reads_both else "", chosen)
    return run


@transaction.atomic
def _queue(
    run: TrainingRun, policy: PolicyVersion | None, shown: str, chosen: dict[str, Any]
) -> None:
    """Raises RunRefused when another run of the project was started meanwhile, or it was archived
    while its snapshot was written."""
    project = Project.objects.select_for_update(no_key=True).get(pk=run.project_id)
    refuse_an_archived(project)
    refuse_a_second(project)
    run.policy = policy or champion_policy(project)
    run.save()  # with its number, which the folders have in their names
    run.config = {
        "seed": random.getrandbits(31),
        **given(run, shown, from_scratch=bool(chosen.get("preset"))),
        **chosen,
        "snapshot": str(run.snapshot.file),
        "output": str(settings.VAR_FOLDER / "models" / project.slug / run.folder_name),
    }
    run.save(update_fields=["config"])
    call_after_commit(enqueue, run.pk)


@contextmanager
def _refused_without_room() -> Iterator[None]:
    """Raises RunRefused when the disk has, or comes to have, no room for what is written here."""
    try:
        require_room(settings.VAR_FOLDER, space.RESERVE)
        yield
    except (OSError, OperationalError) as problem:
        if not is_disk_full(problem):
            raise
        free = {"free": space.free_bytes() // 1_000_000}
        raise RunRefused(
            _("The disk is full: %(free)d MB are free. Make room, then start the run again.") % free
        ) from problem


def refuse_an_archived(project: Project) -> None:
    """Raises RunRefused."""
    if project.archived_at is not None:
        raise RunRefused(_("The project is archived: put it back first."))


def refuse_a_second(project: Project) -> None:
    """Raises RunRefused where a run of the project is active."""
    active = active_run(project)
    if active is not None:
        raise RunRefused(
            _("Run %(number)s (%(kind)s) is %(status)s: wait until it ends, or cancel it.")
            % {
                "number": active.pk,
                "kind": active.get_kind_display(),
                "status": active.get_status_display(),
            }
        )


def start_run(
    project: Project,
    kind: str,
    overrides: dict[str, Any] | None = None,
    started_by: User | None = None,
    snapshot: Snapshot | None = None,
) -> TrainingRun:
    """Queues a run of any kind, as a button, a schedule or a command asks for it.

    Raw text is what lies in the project's `text_folder`; overrides are for the first two stages,
    and for what pretraining helps. It reads the `snapshot` where one is chosen, else one that is
    taken now. Raises RunRefused.
    """
    if snapshot is not None and kind not in kinds_reading(project, snapshot):
        raise RunRefused(_("A training of this kind does not read such a snapshot."))
    if kind == Kind.TEXT:
        return start_text_run(project, text_folder(project), overrides, started_by)
    if kind == Kind.DEMONSTRATIONS:
        return start_demonstrations_run(project, overrides, started_by, snapshot)
    if kind == Kind.REWARD:
        return start_reward_run(project, started_by, snapshot)
    if kind == Kind.PRETRAINING:
        return start_pretraining_run(project, overrides, started_by)
    return start_policy_run(project, started_by, snapshot)


def start_due_run(project: Project) -> TrainingRun | None:
    """Starts what the loop asks for next. None when nothing is due, or rests after a run that was
    cancelled or failed."""
    if active_run(project) is not None:
        return None
    due = due_kinds(project, champion_reward_model(project), new_rankings(project))
    ready = [kind for kind in due if rest_before(project, kind) is None]
    return start_run(project, ready[0]) if ready else None


def enqueue(run_id: int) -> None:
    """Asks the accelerator worker to supervise the run; asked twice, it still runs once."""
    app.send_task("rewardmodel.tasks.supervise_run", (run_id,))
