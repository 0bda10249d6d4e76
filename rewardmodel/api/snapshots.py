"""Snapshots, for programs."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from ninja import File, Form, Router, Schema, Status
from ninja.files import UploadedFile
from pydantic import AfterValidator, Field

from annotation.api.access import project_for
from annotation.api.problems import Problem
from annotation.api.routes import After, Limit, page
from annotation.api.schemas import JobOut, Page, Source, Text, storable
from annotation.models import Project, Snapshot, SnapshotJob
from annotation.selectors.snapshots import snapshots_of
from annotation.services.snapshots import SnapshotRefused, link_token
from rewardmodel.services.imported_snapshots import Origin
from rewardmodel.services.snapshot_jobs import ask_for_snapshot, receive_snapshot
from rewardmodel.snapshot_forms import LONGEST
from rewardmodel.views.snapshots import send_snapshot

router = Router(tags=["snapshots"])
UPLOADING = "api_snapshot_files"
"""The name of the path that takes files."""
Named = Annotated[str, Field(min_length=1, max_length=LONGEST), AfterValidator(storable)]
Sent: UploadedFile = File(...)  # type: ignore[type-arg]
Said: Any = Form(...)  # type: ignore[type-arg]


class SnapshotIn(Schema):
    name: Named
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


class SnapshotJobOut(JobOut):
    """`kind` is empty for a file that was sent; `snapshot` is there once `status` is `done`."""

    name: str
    kind: str
    snapshot: LinkedSnapshot | None


class SnapshotJobPage(Page):
    items: list[SnapshotJobOut]


@router.get("/projects/{slug}/snapshots", response=SnapshotPage)
def snapshots(request: Any, slug: str, after: int = After, limit: int = Limit) -> Any:
    """Oldest first, those of trainings, which have no name, among them."""
    found = snapshots_of(project_for(request, slug)).filter(pk__gt=after).order_by("pk")
    return page(list(found[: limit + 1]), limit)


@router.post("/projects/{slug}/snapshots", response={202: SnapshotJobOut})
def create_snapshot(request: Any, slug: str, given: SnapshotIn) -> Any:
    """What is there, frozen under a name by a worker: ask for the job until `status` is `done`."""
    project = project_for(request, slug, to_write=True)
    return _asked(request, ask_for_snapshot, project, request.token.user, given.name, given.kind)


@router.post("/projects/{slug}/snapshot-files", response={202: SnapshotJobOut}, url_name=UPLOADING)
def create_from_file(
    request: Any,
    slug: str,
    file: UploadedFile = Sent,
    name: Named = Said,
    source: Source = Said,
    licence: Text = Said,
    has_consent: Literal["true"] = Said,
) -> Any:
    """A file of up to 32 MB, JSON Lines as docs/formats.md has them, as a snapshot: a worker checks
    it as a training would. `has_consent`: those who wrote and judged it agreed, or its licence
    allows the use."""
    project = project_for(request, slug, to_write=True)
    origin = Origin(source, licence, has_consent == "true")
    sent = (name, origin, file.chunks())
    return _asked(request, receive_snapshot, project, request.token.user, *sent)


@router.get("/projects/{slug}/snapshot-jobs", response=SnapshotJobPage)
def jobs(request: Any, slug: str, after: int = After, limit: int = Limit) -> Any:
    """What was asked for, oldest first, for a week."""
    found = project_for(request, slug).snapshotjobs.filter(pk__gt=after).order_by("pk")
    shown = page(list(found.select_related("project", "snapshot")[: limit + 1]), limit)
    return {**shown, "items": [told(request, each) for each in shown["items"]]}


@router.get("/projects/{slug}/snapshot-jobs/{pk}", response=SnapshotJobOut)
def job(request: Any, slug: str, pk: int) -> Any:
    found = project_for(request, slug).snapshotjobs.filter(pk=pk).first()
    if found is None:
        raise Problem(404, "Not found", f"There is no snapshot job {pk}.")
    return told(request, found)


@router.get("/projects/{slug}/snapshots/{pk}", response=LinkedSnapshot)
def snapshot(request: Any, slug: str, pk: int) -> Any:
    return linked(request, found_snapshot(project_for(request, slug), pk))


@router.get("/projects/{slug}/snapshots/{pk}/file")
def snapshot_file(request: Any, slug: str, pk: int) -> Any:
    """The file itself, as JSON Lines, or with `Range` a part of it."""
    found = found_snapshot(project_for(request, slug), pk)
    if not found.is_there:
        raise Problem(409, "Not there", "Its file was removed, as nothing needed it any more.")
    return send_snapshot(request, found)


def _asked(request: Any, ask: Any, *given: Any) -> Status[Any]:
    try:
        return Status(202, told(request, ask(*given)))
    except SnapshotRefused as refusal:
        raise Problem(409, "Not now", refusal.worded(_)) from refusal


def found_snapshot(project: Project, pk: int) -> Snapshot:
    found = snapshots_of(project).filter(pk=pk).first()
    if found is None:
        raise Problem(404, "Not found", f"There is no snapshot {pk}.")
    return found


def told(request: HttpRequest, job: SnapshotJob) -> dict[str, Any]:
    made = linked(request, job.snapshot) if job.snapshot else None
    return {**JobOut.fields_of(job), "name": job.name, "kind": job.kind, "snapshot": made}


def linked(request: HttpRequest, snapshot: Snapshot) -> dict[str, Any]:
    path = reverse("snapshot_link", args=[link_token(snapshot)])
    fields = {name: getattr(snapshot, name) for name in SnapshotOut.model_fields}
    link = request.build_absolute_uri(path) if snapshot.is_there else None
    return {**fields, "link": link}
