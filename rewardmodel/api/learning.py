"""Versions and runs, for programs."""

from datetime import datetime
from typing import Any

from ninja import Router, Schema, Status

from annotation.api.access import project_for
from annotation.api.problems import Problem
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
    kind: str


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
    try:
        return Status(202, start_run(project, given.kind, started_by=request.token.user))
    except RunRefused as refusal:
        raise Problem(409, "Not now", str(refusal)) from refusal
