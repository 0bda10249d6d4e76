"""Versions and runs, for programs."""

from datetime import datetime
from typing import Any

from ninja import Router, Schema, Status
from pydantic import Field

from annotation.api.access import project_for
from annotation.api.problems import Problem
from annotation.api.snapshots import found_snapshot
from rewardmodel.models import TrainingRun
from rewardmodel.selectors import policies_of, reward_models_of, runs_of
from rewardmodel.services import RunRefused, start_run

router = Router()
NEWEST = 100


class VersionOut(Schema):
    kind: str
    number: int
    status: str
    base_model: str
    sha256: str
    metrics: dict[str, Any]
    created_at: datetime


class RunOut(Schema):
    id: int
    kind: str
    status: str
    phase: str
    step: int
    total_steps: int
    metrics: dict[str, Any]
    created_at: datetime
    finished_at: datetime | None


class RunIn(Schema):
    """`snapshot`: the id of one to read, instead of what is there by now."""

    kind: str
    snapshot: int | None = Field(None, ge=1, le=2**63 - 1)


@router.get("/projects/{slug}/versions", response=list[VersionOut], tags=["versions"])
def versions(request: Any, slug: str) -> Any:
    """Policies, then reward models, the newest first."""
    project = project_for(request, slug)
    return [
        {
            "kind": kind,
            **{name: getattr(each, name) for name in VersionOut.model_fields if name != "kind"},
        }
        for kind, found in (("policy", policies_of(project)), ("reward", reward_models_of(project)))
        for each in found
    ]


@router.get("/projects/{slug}/runs", response=list[RunOut], tags=["runs"])
def runs(request: Any, slug: str) -> Any:
    """The newest first, at most a hundred."""
    return list(runs_of(project_for(request, slug))[:NEWEST])


@router.post("/projects/{slug}/runs", response={202: RunOut}, tags=["runs"])
def create_run(request: Any, slug: str, given: RunIn) -> Any:
    """Starts one: text, demonstrations, reward or policy."""
    project = project_for(request, slug, to_write=True)
    if given.kind not in TrainingRun.Kind.values:
        kinds = ", ".join(TrainingRun.Kind.values)
        raise Problem(422, "Not usable", f"There is no kind of run {given.kind!r}: {kinds}.")
    snapshot = None if given.snapshot is None else found_snapshot(project, given.snapshot)
    by = request.token.user
    try:
        return Status(202, start_run(project, given.kind, started_by=by, snapshot=snapshot))
    except RunRefused as refusal:
        raise Problem(409, "Not now", str(refusal)) from refusal
