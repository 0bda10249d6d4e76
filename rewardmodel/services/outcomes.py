"""What becomes of a run: a version and its gate, a failure, another attempt, or nothing."""

import shutil
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from annotation.models import PolicyVersion, Project
from annotation.models.policy import ModelVersion
from annotation.selectors.policies import champion_policy, next_number
from annotation.services.calling import call_after_commit
from annotation.services.comparisons import ComparisonRefused, start_comparison
from config import space
from rewardmodel.learning.core.codes import Code
from rewardmodel.learning.core.gate import Reason, Verdict, as_json, read_report
from rewardmodel.models import RewardModelVersion, TrainingRun
from rewardmodel.selectors import champion_reward_model, log_tail
from rewardmodel.services.claims import held
from rewardmodel.services.promotion import let_serve
from rewardmodel.services.runs import enqueue
from rewardmodel.services.told import tell_of_run

Kind, Status = TrainingRun.Kind, TrainingRun.Status
WHOLE_MODELS = (Kind.TEXT, Kind.DEMONSTRATIONS)
LAST_WORDS = 5  # lines of the log


@transaction.atomic
def complete_run(run: TrainingRun, result: Mapping[str, Any]) -> None:
    """Records the version that the run made, and promotes it when it passed its gate."""
    locked = held(run).select_for_update(of=("self",)).first()
    if locked is None:
        return
    if result["output"] is None:  # a report, such as best of n: there is no version
        locked.metrics = result["metrics"]
        _finish(locked, Status.SUCCEEDED, read_report(result["gate"]))
        return
    passed, reason = _gate(locked, result)
    fields = _version_fields(locked, result) | {"gate_reason": as_json(reason)}
    version: RewardModelVersion | PolicyVersion
    if locked.kind == Kind.REWARD:
        version = locked.produced_reward_model = _reward_model_version(locked, fields)
    else:
        fields["samples"] = result["samples"]
        version = locked.produced_policy = _policy_version(locked, fields)
    if passed:
        _passed(version)
    locked.metrics = result["metrics"]
    _finish(locked, Status.SUCCEEDED, reason)


def _passed(version: RewardModelVersion | PolicyVersion) -> None:
    """It serves; or, where its project asks people first, they are asked. In a project that was
    archived meanwhile it stays a candidate."""
    if version.project.archived_at is not None:
        return
    asks = version.project.promotion
    if isinstance(version, RewardModelVersion) or asks == Project.Promotion.GATE:
        let_serve(version)
    elif asks == Project.Promotion.PEOPLE:
        served = champion_policy(version.project)
        with suppress(ComparisonRefused):  # without a held-out prompt an admin decides
            start_comparison(version.project, served, version, promotes=True)


def _version_fields(run: TrainingRun, result: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "project": run.project,
        **_paths(run, result),
        "sha256": result["sha256"],
        "metrics": result["metrics"],
        "provenance": {
            **result["provenance"],
            "snapshot_sha256": run.snapshot.sha256,
            "run": run.pk,
            "policy": run.policy.number,
            "reward_model": run.reward_model.number if run.reward_model else None,
        },
    }


def _paths(run: TrainingRun, result: Mapping[str, Any]) -> dict[str, str]:
    """A whole model is its own base, without an adapter; all else lies beside its base."""
    if run.kind in WHOLE_MODELS:
        return {"base_model": result["output"], "path": ""}
    path = Path(result["output"]).relative_to(settings.VAR_FOLDER)
    return {"base_model": run.config["base_model"], "path": str(path)}


def _reward_model_version(run: TrainingRun, fields: dict[str, Any]) -> RewardModelVersion:
    return RewardModelVersion.objects.create(
        number=next_number(RewardModelVersion, run.project),
        parent=champion_reward_model(run.project),
        snapshot=run.snapshot,
        **fields,
    )


def _policy_version(run: TrainingRun, fields: dict[str, Any]) -> PolicyVersion:
    return PolicyVersion.objects.create(
        number=next_number(PolicyVersion, run.project),
        parent=run.policy,
        **fields,
    )


def _gate(run: TrainingRun, result: Mapping[str, Any]) -> tuple[bool, Reason]:
    """The training process's verdict; a policy's does not count when another serves by now."""
    if run.kind != Kind.REWARD and run.policy.status != ModelVersion.Status.CHAMPION:
        return False, Verdict(Code.OTHER_CHAMPION)
    return result["gate"]["passed"], read_report(result["gate"])


@transaction.atomic
def fail_run(run: TrainingRun, reason: Reason) -> None:
    locked = held(run).select_for_update(of=("self",)).first()
    if locked is not None:
        _finish(locked, Status.FAILED, reason)


@transaction.atomic
def cancel_run(run: TrainingRun) -> None:
    locked = held(run).select_for_update(of=("self",)).first()
    if locked is not None:
        _finish(locked, Status.CANCELLED)


@transaction.atomic
def try_again(run: TrainingRun) -> None:
    """After a death without a word: back into the queue, or failed after the last attempt."""
    locked = held(run).select_for_update(of=("self",)).first()
    if locked is None:
        return
    if locked.attempts >= TrainingRun.MAX_ATTEMPTS:
        last_words = log_tail(locked, LAST_WORDS)
        verdict = Verdict(Code.PROCESS_DIED, {"times": locked.attempts, "words": last_words})
        _finish(locked, Status.FAILED, verdict)
        return
    locked.status, locked.supervisor = Status.QUEUED, None
    locked.save(update_fields=["status", "supervisor"])
    call_after_commit(enqueue, locked.pk)


@transaction.atomic
def wait_for_room(run: TrainingRun, needed: int = 0) -> None:
    """Back into the queue until the disk has room, with its checkpoint; no attempt is used up.

    `needed` bytes, if the training said so, or else more than there were.
    """
    locked = held(run).select_for_update(of=("self",)).first()
    if locked is None:
        return
    locked.room_wanted = max(needed, space.free_bytes(), space.RESERVE) + space.RESERVE
    verdict = Verdict(Code.WAITS_FOR_ROOM, {"gigabytes": locked.room_wanted / 1e9})
    locked.reason = as_json(verdict)
    _put_back(locked)


@transaction.atomic
def hand_back(run: TrainingRun) -> None:
    """Back into the queue, with its checkpoint, when its worker stops; no attempt is used up."""
    locked = held(run).select_for_update(of=("self",)).first()
    if locked is not None:
        _put_back(locked)


def _put_back(run: TrainingRun) -> None:
    run.status, run.supervisor, run.attempts = Status.QUEUED, None, max(run.attempts - 1, 0)
    run.save(update_fields=["status", "supervisor", "attempts", "room_wanted", "reason"])


def _finish(run: TrainingRun, status: str, reason: Reason | None = None) -> None:
    run.status, run.supervisor = status, None
    run.reason = None if reason is None else as_json(reason)
    run.finished_at = timezone.now()
    run.save()
    tell_of_run(run)
    if status == Status.CANCELLED:  # it may go on
        return
    checkpoints = run.folder / "checkpoints"
    transaction.on_commit(partial(shutil.rmtree, checkpoints, ignore_errors=True))
