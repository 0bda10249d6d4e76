"""[question, answer, score]: look, filter, take out."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from annotation.exchange.triples import csv_lines, jsonl_lines
from annotation.forms import TripleFilterForm
from annotation.models import Triple
from annotation.selectors.pages import page_of
from annotation.selectors.projects import project_for_admin
from annotation.selectors.rankings import triple_rows
from annotation.selectors.triples import TripleFilter, filtered_triples
from annotation.views.requests import Request

Writer = Callable[[Iterable[Mapping[str, Any]]], Iterator[str]]
FILES: dict[str, tuple[str, Writer]] = {
    "csv": ("text/csv; charset=utf-8", csv_lines),
    "jsonl": ("application/x-ndjson; charset=utf-8", jsonl_lines),
}


def triples(request: Request, slug: str) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    form = TripleFilterForm(project, request.GET)
    wanted = form.chosen if form.is_valid() else None
    found = filtered_triples(project, wanted) if wanted else Triple.objects.none()
    asked = request.GET.copy()
    asked.pop("before", None)
    context = {
        "project": project,
        "section": "triples",
        "form": form,
        "is_filtered": wanted not in {None, TripleFilter()},
        "page": page_of(found, request.GET.get("before", "")),
        "query": asked.urlencode(),
    }
    return render(request, "annotation/triples.html", context)


def download(request: Request, slug: str, form: str) -> HttpResponseBase:
    project = project_for_admin(request.user, slug)
    asked = TripleFilterForm(project, request.GET)
    if form not in FILES or not asked.is_valid():
        raise Http404
    return triples_file(filtered_triples(project, asked.chosen), form, project.slug)


def triples_file(found: Any, form: str, name: str) -> StreamingHttpResponse:
    """The triples as a download that is written while it is sent; `form` is csv or jsonl."""
    content_type, lines = FILES[form]
    response = StreamingHttpResponse(lines(triple_rows(found)), content_type=content_type)
    day = timezone.localdate().isoformat()
    response["Content-Disposition"] = f'attachment; filename="{name}-triples-{day}.{form}"'
    return response
