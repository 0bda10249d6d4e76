"""[question, answer, score]: look, filter, take out."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from annotation.exchange.triples import csv_lines, jsonl_lines
from annotation.filters import TripleFilter
from annotation.models import Triple
from annotation.selectors.pages import page_of
from annotation.selectors.triples import triple_rows
from annotation.views.access import project_for_admin
from annotation.views.requests import Request

Writer = Callable[[Iterable[Mapping[str, Any]]], Iterator[str]]
FILES: dict[str, tuple[str, Writer]] = {
    "csv": ("text/csv; charset=utf-8", csv_lines),
    "jsonl": ("application/x-ndjson; charset=utf-8", jsonl_lines),
}


def triples(request: Request, slug: str) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    wanted = TripleFilter(project, request.GET)
    found = wanted.qs if wanted.is_valid() else Triple.objects.none()
    context = {
        "project": project,
        "section": "triples",
        "form": wanted.form,
        "is_filtered": wanted.form.has_changed(),
        "page": page_of(found, request.GET.get("before", "")),
        "query": wanted.query,
    }
    return render(request, "annotation/triples.html", context)


def download(request: Request, slug: str, form: str) -> HttpResponseBase:
    project = project_for_admin(request.user, slug)
    wanted = TripleFilter(project, request.GET)
    if form not in FILES or not wanted.is_valid():
        raise Http404
    return triples_file(wanted.qs, form, project.slug)


def triples_file(found: Any, form: str, name: str) -> StreamingHttpResponse:
    """The triples as a download that is written while it is sent; `form` is csv or jsonl."""
    content_type, lines = FILES[form]
    response = StreamingHttpResponse(lines(triple_rows(found)), content_type=content_type)
    day = timezone.localdate().isoformat()
    response["Content-Disposition"] = f'attachment; filename="{name}-triples-{day}.{form}"'
    return response
