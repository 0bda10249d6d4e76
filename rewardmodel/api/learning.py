"""Versions and runs, for programs."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from django.db.models import QuerySet
from ninja import Router, Schema, Status
from pydantic import AfterValidator, Field

from annotation.api.access import project_for
from annotation.api.problems import Problem
from annotation.api.routes import After, Limit, page, shown_file
from annotation.api.schemas import FileJobOut, Page, storable
from annotation.models import PolicyVersion, Project
from annotation.services.policies import label_version
from rewardmodel.api.snapshots import found_snapshot
from rewardmodel.models import TrainingRun
from rewardmodel.selectors import policies_of, reward_models_of, runs_of
from rewardmodel.selectors.versions import may_be_merged, merged_model_of
from rewardmodel.services import RunRefused, start_run
from rewardmodel.services.merging import ask_for_merged

router = Router()
VERSIONS: dict[str, Callable[[Project], QuerySet[Any]]] = {
    "policy": policies_of,
    "reward": reward_models_of,
}
LONGEST_LABEL = PolicyVersion._meta.get_field("label").max_length


class LabelIn(Schema):
    """A few words that stand beside the number; "" for none."""

    label: Annotated[str, Field(max_length=LONGEST_LABEL), AfterValidator(storable)]


class VersionOut(Schema):
    kind: str
    number: int
    label: str
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


class VersionPage(Page):
    items: list[VersionOut]


class RunPage(Page):
    items: list[RunOut]


@router.get("/projects/{slug}/versions", response=VersionPage, tags=["versions"])
def versions(request: Any, slug: str, after: int = After, limit: int = Limit) -> Any:
    """Policies and reward models by their numbers, of one number the policy first."""
    project = project_for(request, slug)
    # The cursor counts policy 0, reward model 0, policy 1, and so on, from 1.
    found: list[tuple[int, dict[str, Any]]] = []
    for place, (kind, of) in enumerate(VERSIONS.items(), start=1):
        later = of(project).filter(number__gt=(after - place) // len(VERSIONS)).order_by("number")
        found += [
            (each.number * len(VERSIONS) + place, _told(kind, each)) for each in later[: limit + 1]
        ]
    found.sort(key=lambda one: one[0])
    is_more = len(found) > limit
    return {
        "items": [told for _cursor, told in found[:limit]],
        "next": found[limit - 1][0] if is_more else None,
    }


@router.post(
    "/projects/{slug}/versions/{kind}/{number}/label", response=VersionOut, tags=["versions"]
)
def label(
    request: Any, slug: str, kind: Literal["policy", "reward"], number: int, given: LabelIn
) -> Any:
    """Names a version, beside its number."""
    versions = VERSIONS[kind](project_for(request, slug, to_write=True))
    found = versions.filter(number=number).first()
    if found is None:
        raise Problem(404, "Not found", f"There is no version {number} of this kind.")
    label_version(found, given.label)
    return _told(kind, versions.get(number=number))


@router.get(
    "/projects/{slug}/versions/policy/{number}/merged", response=FileJobOut, tags=["versions"]
)
def merged(request: Any, slug: str, number: int) -> Any:
    """What was asked for last, or is being made: one whole model in a tar archive."""
    found = merged_model_of(_adapter(project_for(request, slug), number))
    if found is None:
        raise Problem(404, "Not found", f"There is no version {number} as one whole model.")
    return shown_file(request, found, "merged_link")


@router.post(
    "/projects/{slug}/versions/policy/{number}/merged",
    response={202: FileJobOut},
    tags=["versions"],
)
def create_merged(request: Any, slug: str, number: int) -> Any:
    """A policy's adapter in its base model, as one whole model: a worker makes it, once a week."""
    policy = _adapter(project_for(request, slug, to_write=True), number)
    asked = ask_for_merged(policy, request.token.user)
    return Status(202, shown_file(request, asked, "merged_link"))


def _adapter(project: Project, number: int) -> PolicyVersion:
    found = policies_of(project).filter(number=number).first()
    if found is None or not may_be_merged(found):
        raise Problem(404, "Not found", f"There is no policy {number} that is an adapter.")
    return found


def _told(kind: str, version: Any) -> dict[str, Any]:
    named = VersionOut.model_fields.keys() - {"kind"}
    return {"kind": kind, **{name: getattr(version, name) for name in named}}


@router.get("/projects/{slug}/runs", response=RunPage, tags=["runs"])
def runs(request: Any, slug: str, after: int = After, limit: int = Limit) -> Any:
    """Oldest first."""
    found = runs_of(project_for(request, slug)).filter(pk__gt=after).order_by("pk")
    return page(list(found[: limit + 1]), limit)


@router.get("/projects/{slug}/runs/{pk}", response=RunOut, tags=["runs"])
def run(request: Any, slug: str, pk: int) -> Any:
    found = runs_of(project_for(request, slug)).filter(pk=pk).first()
    if found is None:
        raise Problem(404, "Not found", f"There is no run {pk}.")
    return found


@router.post("/projects/{slug}/runs", response={202: RunOut}, tags=["runs"])
def create_run(request: Any, slug: str, given: RunIn) -> Any:
    """Starts one: text, demonstrations, reward, policy or pretraining."""
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
