"""Taking a project's data out: a form, a preview, files that a worker makes, links to them."""

import json
from itertools import islice
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from annotation.exchange.writing.formats import FORMATS
from annotation.forms.exports import LOSSES, ExportForm
from annotation.models import Export, Project
from annotation.models.job import FileJob
from annotation.selectors.exports import exports_of, rows_to_export
from annotation.services.exports import ask_for_export
from annotation.services.jobs import cancel as cancel_job
from annotation.services.jobs import delete as delete_job
from annotation.services.jobs import job_of_token, link_token
from annotation.views.access import project_for_admin
from annotation.views.requests import Request
from annotation.views.sending import send_file

SHOWN_ROWS = 3
READ_ROWS = 200


def exports(request: Request, slug: str) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    if request.method == "POST":
        form = ExportForm(project, request.POST)
        if form.is_valid():
            ask_for_export(project, request.user, form.made_as, form.wanted)
            return redirect("exports", slug)
        return _page(request, project, form, {})
    if not request.htmx and "format" in request.GET:
        form = ExportForm(project, request.GET)
        preview = _preview(project, form) if form.is_valid() else {}
        return _page(request, project, form, preview)
    return _page(request, project, ExportForm(project), {})


def _page(
    request: Request, project: Project, form: ExportForm, preview: dict[str, Any]
) -> HttpResponse:
    shown = exports_of(project)
    for export in shown:
        path = reverse("export_link", args=[link_token(export)])
        setattr(export, "link", request.build_absolute_uri(path))  # noqa: B010
    context = {
        "project": project,
        "section": "exports",
        "exports": shown,
        "at_work": any(export.is_active for export in shown),
    }
    if request.htmx:
        return render(request, "annotation/_exports.html", context)
    again = ExportForm(project, form.data, auto_id=False) if preview else None
    kinds = [(each, [LOSSES[loss] for loss in each.loses]) for each in FORMATS.values()]
    return render(
        request,
        "annotation/exports.html",
        {**context, "form": form, "again": again, "preview": preview, "formats": kinds},
    )


def _preview(project: Project, form: ExportForm) -> dict[str, Any]:
    """How much there is, and the first rows as they will stand in the file."""
    made_as = form.made_as
    salt = Export().salt
    total, found = rows_to_export(project, made_as.source, form.wanted, salt)
    rows = (made for row in islice(found, READ_ROWS) if row for made in made_as.rows(row))
    first = [json.dumps(row, ensure_ascii=False, indent=2) for row in islice(rows, SHOWN_ROWS)]
    return {
        "total": total,
        "is_most": form.wanted.looks_at_orders,
        "source": made_as.source,
        "title": made_as.title,
        "loses": [LOSSES[loss] for loss in made_as.loses],
        "rows": first,
    }


def _export(request: Request, slug: str, pk: int) -> Export:
    return get_object_or_404(project_for_admin(request.user, slug).exports, pk=pk)


@require_POST
def cancel(request: Request, slug: str, pk: int) -> HttpResponse:
    cancel_job(_export(request, slug, pk))
    return redirect("exports", slug)


@require_POST
def delete(request: Request, slug: str, pk: int) -> HttpResponse:
    delete_job(_export(request, slug, pk))
    return redirect("exports", slug)


def download(request: Request, slug: str, pk: int) -> HttpResponseBase:
    return send_export(request, _export(request, slug, pk))


@login_not_required
def linked(request: HttpRequest, token: str) -> HttpResponseBase:
    """The file for whoever has its link: a script, another machine."""
    export = job_of_token(Export, token)
    if export is None:
        raise Http404
    return send_export(request, export)


def send_export(request: HttpRequest, export: Export) -> HttpResponseBase:
    return send_made(request, export, export.made_as.container.content_type)


def send_made(request: HttpRequest, job: FileJob, content_type: str) -> HttpResponseBase:
    """What a worker made. Raises Http404 where it is not there."""
    if not job.is_there:
        raise Http404
    said = {"X-Content-SHA256": job.sha256}
    name = job.file_name
    return send_file(request, job.file.open("rb"), name, content_type, job.sha256, said)
