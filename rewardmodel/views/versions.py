"""Policies and reward models: where each comes from, what it is worth, and which one serves."""

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from annotation.models import PolicyVersion, Project
from annotation.services.policies import label_version
from annotation.views.access import project_for_admin
from annotation.views.requests import Request
from rewardmodel.archive import archive_of
from rewardmodel.forms import LabelForm
from rewardmodel.model_card import how_to_load, model_card
from rewardmodel.plots import plots_of_version
from rewardmodel.plots.plot import Plot
from rewardmodel.selectors import (
    family_of,
    files_of,
    full_config,
    last_best_of_n,
    policies_of,
    promotions_of,
    reward_models_of,
    rolled_back,
    taught_by,
)
from rewardmodel.services.promotion import Version, let_serve
from rewardmodel.templatetags.metrics import rows_of
from rewardmodel.views.runs import side_by_side

VersionsOf = Callable[[Project], QuerySet[Any]]
KINDS: dict[str, VersionsOf] = {"policy": policies_of, "reward": reward_models_of}


def versions(request: Request, slug: str) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    context = {
        "project": project,
        "section": "versions",
        "policies": policies_of(project),
        "reward_models": reward_models_of(project),
        "family": family_of(project),
        "promotions": promotions_of(project),
        "rolled_back": rolled_back(project),
    }
    return render(request, "rewardmodel/versions.html", context)


def version(request: Request, slug: str, kind: str, number: int) -> HttpResponse:
    """One version's card."""
    project, found = _version(request, slug, kind, number)
    metrics = {**found.metrics}
    before, after = (metrics.pop(name, None) for name in ("parent", "new"))
    run = getattr(found, "produced_by", None)
    context = {
        "project": project,
        "section": "versions",
        "kind": kind,
        "version": found,
        "run": run,
        "figures": list(rows_of(metrics)),
        "compared": _compared(before, after) if before and after else [],
        "plots": plots_of(found),
        "samples": sorted(getattr(found, "samples", []), key=_change),
        "config": full_config(run) if run else {},
        "provenance": found.provenance,
        "has_files": files_of(found) is not None,
        "loading": how_to_load(found),
        "taught": taught_by(found),
        "rolled_back": rolled_back(project),
        "promotions": [each for each in promotions_of(project) if _is_of(each, kind, number)],
    }
    return render(request, "rewardmodel/version.html", context)


def plots_of(version: Version) -> list[Plot]:
    if not isinstance(version, PolicyVersion):
        return plots_of_version(version.metrics)
    project = version.project
    family = list(policies_of(project).order_by("number"))
    return plots_of_version(version.metrics, family, last_best_of_n(project))


def plot(request: Request, slug: str, kind: str, number: int, name: str) -> HttpResponse:
    """What one of a version's plots shows, as CSV."""
    _project, found = _version(request, slug, kind, number)
    return csv_of(plots_of(found), name)


def csv_of(plots: Sequence[Plot], name: str) -> HttpResponse:
    found = next((plot for plot in plots if plot.slug == name), None)
    if found is None:
        raise Http404
    return csv_file(found.csv, name)


def csv_file(text: str, name: str) -> HttpResponse:
    response = HttpResponse(text, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def archive(request: Request, slug: str, kind: str, number: int) -> StreamingHttpResponse:
    """Its files and a model card, as one file."""
    project, found = _version(request, slug, kind, number)
    folder = files_of(found)
    if folder is None:
        raise Http404
    name = f"{project.slug}-{kind}-{number}"
    card = {"README.md": model_card(found).encode()}
    response = StreamingHttpResponse(
        archive_of(folder, name, card), content_type="application/x-tar"
    )
    response["Content-Disposition"] = f'attachment; filename="{name}.tar"'
    return response


@require_POST
def label(request: Request, slug: str, kind: str, number: int) -> HttpResponse:
    """Names a version, beside its number."""
    _project, found = _version(request, slug, kind, number)
    form = LabelForm(request.POST)
    if form.is_valid():
        label_version(found, form.cleaned_data["label"])
        messages.success(request, _("The label is stored."))
    else:
        messages.error(request, " ".join(map(str, form.errors["label"])))
    return redirect("version", slug, kind, number)


@require_POST
def serve(request: Request, slug: str, kind: str, pk: int) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    if kind not in KINDS:
        raise Http404
    found = get_object_or_404(KINDS[kind](project), pk=pk)
    let_serve(found, by=request.user)
    messages.success(request, _("Version %(number)d serves now.") % {"number": found.number})
    return redirect("versions", slug)


def _version(request: Request, slug: str, kind: str, number: int) -> tuple[Project, Version]:
    project = project_for_admin(request.user, slug)
    if kind not in KINDS:
        raise Http404
    return project, get_object_or_404(KINDS[kind](project), number=number)


def _compared(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, list[Any]]]:
    """Figures of the parent and of the new one, with what changed."""
    change = {
        name: after[name] - value
        for name, value in before.items()
        if isinstance(value, int | float) and isinstance(after.get(name), int | float)
    }
    return side_by_side([dict(rows_of(each)) for each in (before, after, change)])


def _change(sample: dict[str, Any]) -> float:
    """The most changed first; those without a score last."""
    scores = sample.get("score_before"), sample.get("score_after")
    return -abs(scores[1] - scores[0]) if None not in scores else 1.0  # type: ignore[operator]


def _is_of(promotion: Any, kind: str, number: int) -> bool:
    return bool(promotion.kind == kind and number in (promotion.number, promotion.instead_of))
