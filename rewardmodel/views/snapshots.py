"""Snapshots: taken by hand or brought, kept under a name, compared, trained on, taken out."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST

from annotation.exchange.snapshots.difference import difference
from annotation.models import Project, Snapshot
from annotation.selectors.pages import page_of
from annotation.selectors.snapshots import (
    named_snapshots,
    rows_in,
    snapshot_jobs_of,
    snapshots_of,
)
from annotation.services.jobs import cancel as cancel_job
from annotation.services.snapshots import (
    SnapshotRefused,
    data_card,
    link_token,
    name_snapshot,
    snapshot_of_token,
)
from annotation.views.access import project_for_admin
from annotation.views.requests import Request, takes_upload
from annotation.views.sending import send_file
from rewardmodel.selectors import kinds_reading, trained_on
from rewardmodel.services import RunRefused, start_run
from rewardmodel.services.imported_snapshots import Origin
from rewardmodel.services.snapshot_jobs import ask_for_snapshot, receive_snapshot
from rewardmodel.snapshot_forms import BringForm, NameForm, TakeForm

SHOWN = 50  # rows of a difference


@takes_upload
def snapshots(request: Request, slug: str) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    if request.htmx:
        shown = {"project": project, **_jobs(project)}
        return render(request, "rewardmodel/_snapshot_jobs.html", shown)
    return _snapshots(request, project)


@csrf_protect
def _snapshots(request: Request, project: Project) -> HttpResponse:
    brings = request.FILES or "source" in request.POST
    take = TakeForm(request.POST if request.method == "POST" and not brings else None)
    bring = BringForm(
        request.POST if brings else None, request.FILES if brings else None, auto_id="bring_%s"
    )
    try:
        if take.is_valid():
            ask_for_snapshot(project, request.user, **take.cleaned_data)
            return redirect("snapshots", project.slug)
        if bring.is_valid():
            _receive(request, project, bring)
            return redirect("snapshots", project.slug)
    except SnapshotRefused as refusal:
        (bring if brings else take).add_error(None, refusal.worded(_))
    context = {
        "project": project,
        "section": "snapshots",
        "take": take,
        "bring": bring,
        "brings": brings,
        **_jobs(project),
        "page": page_of(snapshots_of(project), request.GET.get("before", "")),
        "named": named_snapshots(project).count(),
    }
    return render(request, "rewardmodel/snapshots.html", context)


def _receive(request: Request, project: Project, form: BringForm) -> None:
    said = form.cleaned_data
    origin = Origin(said["source"], said["licence"], said["has_consent"])
    receive_snapshot(project, request.user, said["name"], origin, said["file"].chunks())


def _jobs(project: Project) -> dict[str, Any]:
    """What is being made, or was lately."""
    jobs = snapshot_jobs_of(project)
    return {"jobs": jobs, "at_work": any(job.is_active for job in jobs)}


@require_POST
def cancel(request: Request, slug: str, pk: int) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    cancel_job(get_object_or_404(project.snapshotjobs, pk=pk))
    return redirect("snapshots", slug)


def snapshot(request: Request, slug: str, pk: int) -> HttpResponse:
    """Its data card, and what was trained on it."""
    found = _snapshot(request, slug, pk)
    posted = request.POST if request.method == "POST" else None
    form = NameForm(posted, initial={"name": found.name})
    if form.is_valid():
        try:
            name_snapshot(found, form.cleaned_data["name"])
            return redirect("snapshot", slug, pk)
        except SnapshotRefused as refusal:
            form.add_error("name", refusal.worded(_))
    link = reverse("snapshot_link", args=[link_token(found)])
    context = {
        "project": found.project,
        "section": "snapshots",
        "snapshot": found,
        "card": data_card(found),
        "form": form,
        "runs": trained_on(found),
        "kinds": kinds_reading(found.project, found),
        "others": named_snapshots(found.project).filter(kind=found.kind).exclude(pk=pk),
        "link": request.build_absolute_uri(link),
    }
    return render(request, "rewardmodel/snapshot.html", context)


def compare(request: Request, slug: str, pk: int) -> HttpResponse:
    """What became of an older one's rows, `?with=`, until this one."""
    second = _snapshot(request, slug, pk)
    other = request.GET.get("with", "")
    same_kind = snapshots_of(second.project).filter(kind=second.kind)
    first = get_object_or_404(same_kind, pk=int(other[:18]) if other.isdecimal() else 0)
    if not (first.is_there and second.is_there):
        messages.error(request, _("The file of one of them was removed, as nothing needed it."))
        return redirect("snapshot", slug, pk)
    context = {
        "project": second.project,
        "section": "snapshots",
        "first": first,
        "second": second,
        "difference": difference(rows_in(first), rows_in(second)),
        "shown": SHOWN,
    }
    return render(request, "rewardmodel/snapshot_compare.html", context)


@require_POST
def train(request: Request, slug: str, pk: int) -> HttpResponse:
    found = _snapshot(request, slug, pk)
    kind = request.POST.get("kind", "")
    if kind not in kinds_reading(found.project, found):
        raise Http404
    try:
        run = start_run(found.project, kind, started_by=request.user, snapshot=found)
    except RunRefused as refusal:
        messages.error(request, str(refusal))
        return redirect("snapshot", slug, pk)
    messages.success(request, _("The run is queued. It starts as soon as a worker is free."))
    return redirect("run", slug, run.pk)


def download(request: Request, slug: str, pk: int) -> HttpResponseBase:
    return send_snapshot(request, _snapshot(request, slug, pk))


@login_not_required
def linked(request: HttpRequest, token: str) -> HttpResponseBase:
    """The file for whoever has its link: a script, another machine."""
    found = snapshot_of_token(token)
    if found is None:
        raise Http404
    return send_snapshot(request, found)


def _snapshot(request: Request, slug: str, pk: int) -> Snapshot:
    project = project_for_admin(request.user, slug)
    found = get_object_or_404(snapshots_of(project), pk=pk)
    found.project = project  # which knows the user's role
    return found


def send_snapshot(request: HttpRequest, snapshot: Snapshot) -> HttpResponseBase:
    """Raises Http404 where its file was removed."""
    if not snapshot.is_there:
        raise Http404
    return send_file(
        request,
        snapshot.file.open("rb"),
        snapshot.file_name,
        "application/x-ndjson",
        snapshot.sha256,
        {"X-Content-SHA256": snapshot.sha256},
    )
