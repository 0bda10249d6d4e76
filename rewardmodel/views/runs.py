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
from rewardmodel.templatetags.metrics import metric_name, rows_of, side_by_side

MOST_COMPARED = 32  # as many as colours and kinds of lines tell apart
MOST_NAMED = 100


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
    chosen, left_out = _asked(request, project)
    figures = [dict(rows_of(run.metrics)) for run in chosen]
    configs = [full_config(run) for run in chosen]
    context = {
        "project": project,
        "section": "runs",
        "runs": chosen,
        "left_out": left_out,
        "most": MOST_COMPARED,
        "figures": side_by_side(figures),
        "differences": [row for row in side_by_side(configs) if _differs(*row)],
        "query": request.GET.urlencode(),
    }
    return render(request, "rewardmodel/compare.html", context)


def curves(request: Request, slug: str) -> JsonResponse:
    """For the charts' script: of each run its metrics, as [steps, values]."""
    project = project_for_admin(request.user, slug)
    return JsonResponse({"runs": [_curves(run) for run in _asked(request, project)[0]]})


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
    lines = csv_of(_asked(request, project)[0])
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{project.slug}-runs.csv"'
    return response


def _differs(name: str, values: list[Any]) -> bool:
    """Every run has a folder of its own."""
    return name != "output" and len(set(map(str, values))) > 1


def _asked(request: Request, project: Project) -> tuple[list[TrainingRun], list[TrainingRun]]:
    """Of the runs that the address names the newest, the oldest first, and those that are too many,
    the newest first; 404 for none that is there."""
    asked = {int(value[:18]) for value in request.GET.getlist("run") if value.isdecimal()}
    found = list(runs_of(project).filter(pk__in=sorted(asked)[-MOST_NAMED:]))
    if not found:
        raise Http404
    return sorted(found[:MOST_COMPARED], key=lambda run: run.pk), found[MOST_COMPARED:]
