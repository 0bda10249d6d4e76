"""Snapshots, for programs."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import FileResponse, HttpRequest
from django.urls import reverse
from ninja import Router, Schema, Status
from pydantic import AfterValidator, Field

from annotation.api.access import project_for
from annotation.api.problems import Problem
from annotation.api.routes import After, Limit, page
from annotation.api.schemas import Page, storable
from annotation.models import Project, Snapshot
from annotation.selectors.snapshots import snapshots_of
from annotation.services.snapshots import SnapshotRefused, link_token, take_named_snapshot

router = Router(tags=["snapshots"])


class SnapshotIn(Schema):
    name: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(storable)]
    kind: Literal["groups", "demonstrations", "prompts"] = "groups"


class SnapshotOut(Schema):
    """`card` is the data card of one with a name; `is_there`: its file was not removed since."""

    id: int
    name: str
    kind: str
    rows: int
    rankings: int
    sha256: str
    is_imported: bool
    is_there: bool
    created_at: datetime
    card: dict[str, Any]


class LinkedSnapshot(SnapshotOut):
    """`link` opens the file without a token for a week."""

    link: str | None


class SnapshotPage(Page):
    items: list[SnapshotOut]


@router.get("/projects/{slug}/snapshots", response=SnapshotPage)
def snapshots(request: Any, slug: str, after: int = After, limit: int = Limit) -> Any:
    """Oldest first, those of trainings, which have no name, among them."""
    found = snapshots_of(project_for(request, slug)).filter(pk__gt=after).order_by("pk")
    return page(list(found[: limit + 1]), limit)


@router.post("/projects/{slug}/snapshots", response={201: LinkedSnapshot})
def create_snapshot(request: Any, slug: str, given: SnapshotIn) -> Any:
    """What is there now, frozen under a name."""
    project = project_for(request, slug, to_write=True)
    try:
        made = take_named_snapshot(project, given.kind, given.name, request.token.user)
    except SnapshotRefused as refusal:
        raise Problem(409, "Not now", str(refusal)) from refusal
    return Status(201, linked(request, made))


@router.get("/projects/{slug}/snapshots/{pk}", response=LinkedSnapshot)
def snapshot(request: Any, slug: str, pk: int) -> Any:
    return linked(request, found_snapshot(project_for(request, slug), pk))


@router.get("/projects/{slug}/snapshots/{pk}/file")
def snapshot_file(request: Any, slug: str, pk: int) -> Any:
    """The file itself, as JSON Lines."""
    found = found_snapshot(project_for(request, slug), pk)
    if not found.is_there:
        raise Problem(409, "Not there", "Its file was removed, as nothing needed it any more.")
    return FileResponse(found.file.open("rb"), as_attachment=True, filename=found.file_name)


def found_snapshot(project: Project, pk: int) -> Snapshot:
    found = snapshots_of(project).filter(pk=pk).first()
    if found is None:
        raise Problem(404, "Not found", f"There is no snapshot {pk}.")
    return found


def linked(request: HttpRequest, snapshot: Snapshot) -> dict[str, Any]:
    path = reverse("snapshot_link", args=[link_token(snapshot)])
    fields = {name: getattr(snapshot, name) for name in SnapshotOut.model_fields}
    link = request.build_absolute_uri(path) if snapshot.is_there else None
    return {**fields, "link": link}
