"""Every run of a project, and any of them side by side: curves, figures, configuration."""

from typing import Any

from django.http import Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render

from annotation.models import Project
from annotation.selectors.pages import page_of
from annotation.views.access import project_for_admin
from annotation.views.requests import Request
from rewardmodel.curves import csv_of, curves_of
from rewardmodel.filters import RunFilter
from rewardmodel.models import TrainingRun
from rewardmodel.selectors import full_config, runs_of
from rewardmodel.templatetags.metrics import metric_name, rows_of

MOST_COMPARED = 8


def runs(request: Request, slug: str) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    wanted = RunFilter(request.GET, runs_of(project))
    found = wanted.qs if wanted.is_valid() else TrainingRun.objects.none()
    context = {
        "project": project,
        "section": "runs",
        "form": wanted.form,
        "is_filtered": wanted.form.has_changed(),
        "page": page_of(found, request.GET.get("before", "")),
        "query": wanted.query,
        "most": MOST_COMPARED,
    }
    return render(request, "rewardmodel/runs.html", context)


def compare(request: Request, slug: str) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    chosen = _chosen(request, project)
    figures = [dict(rows_of(run.metrics)) for run in chosen]
    configs = [full_config(run) for run in chosen]
    context = {
        "project": project,
        "section": "runs",
        "runs": chosen,
        "is_active": any(run.is_active for run in chosen),
        "figures": side_by_side(figures),
        "differences": [row for row in side_by_side(configs) if _differs(*row)],
        "query": request.GET.urlencode(),
    }
    return render(request, "rewardmodel/compare.html", context)


def curves(request: Request, slug: str) -> JsonResponse:
    """For the charts' script: of each run its metrics, as [steps, values]."""
    project = project_for_admin(request.user, slug)
    return JsonResponse({"runs": [_curves(run) for run in _chosen(request, project)]})


def _curves(run: TrainingRun) -> dict[str, Any]:
    found = curves_of(run)
    return {
        "run": run.pk,
        "active": run.is_active,
        "names": {name: metric_name(name) for name in found},
        "metrics": {name: [list(known), list(known.values())] for name, known in found.items()},
    }


def curves_csv(request: Request, slug: str) -> StreamingHttpResponse:
    project = project_for_admin(request.user, slug)
    lines = csv_of(_chosen(request, project))
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{project.slug}-runs.csv"'
    return response


def side_by_side(columns: list[dict[str, Any]]) -> list[tuple[str, list[Any]]]:
    """A row for each name that any column has, in the order of the first that has it."""
    names = list(dict.fromkeys(name for column in columns for name in column))
    return [(name, [column.get(name, "–") for column in columns]) for name in names]


def _differs(name: str, values: list[Any]) -> bool:
    """Every run has a folder of its own."""
    return name != "output" and len(set(map(str, values))) > 1


def _chosen(request: Request, project: Project) -> list[TrainingRun]:
    """Those that the address names, the oldest first; 404 for none, or one that is not there."""
    asked = {int(value[:18]) for value in request.GET.getlist("run") if value.isdecimal()}
    found = list(runs_of(project).filter(pk__in=sorted(asked)[:MOST_COMPARED]))
    if not found:
        raise Http404
    return sorted(found, key=lambda run: run.pk)
