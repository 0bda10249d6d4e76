"""Policies and reward models: where each comes from, what it is worth, and which one serves."""

from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, cast

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from annotation.models import PolicyVersion, Project
from annotation.services.policies import label_version
from annotation.templatetags.numbers import figure
from annotation.views.access import project_for_admin
from annotation.views.requests import Request
from annotation.views.sending import send_file
from rewardmodel.archive import CONTENT_TYPE, Archive
from rewardmodel.forms import LabelForm
from rewardmodel.model_card import DISTIL, has_head, how_to_load, model_card
from rewardmodel.plots import plots_of_family, plots_of_version
from rewardmodel.plots.plot import Plot
from rewardmodel.selectors import (
    champion_reward_model,
    comparisons_with,
    family_of,
    files_of,
    full_config,
    judged_samples,
    last_best_of_n,
    policies_of,
    promotions_of,
    promotions_with,
    rejection_of,
    rests_on_rolled_back,
    reward_models_of,
    rolled_back,
    taught_by,
)
from rewardmodel.selectors.versions import Version
from rewardmodel.services.promotion import let_serve, reject
from rewardmodel.templatetags.metrics import Table, rows_of, side_by_side
from rewardmodel.views.merged import merged_shown

VersionsOf = Callable[[Project], QuerySet[Any]]
JUDGED_BY = ("log_loss", "accuracy", "calibration_error", "tie_confidence")
KINDS: dict[str, VersionsOf] = {"policy": policies_of, "reward": reward_models_of}


def versions(request: Request, slug: str) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    taken_back = rolled_back(project)
    policies = list(policies_of(project))
    context = {
        "project": project,
        "section": "versions",
        "policies": policies,
        "plots": _family_plots(project, policies),
        "reward_models": reward_models_of(project),
        "family": family_of(project),
        "promotions": promotions_of(project),
        "rolled_back": taken_back,
        "resting": rests_on_rolled_back(project, taken_back),
    }
    return render(request, "rewardmodel/versions.html", context)


def version(request: Request, slug: str, kind: str, number: int) -> HttpResponse:
    """One version's card."""
    project, found = _version(request, slug, kind, number)
    metrics = {**found.metrics}
    compared = _compared_policy(metrics) if kind == "policy" else _compared_judge(metrics)
    run = getattr(found, "produced_by", None)
    taken_back = rolled_back(project)
    context = {
        "project": project,
        "section": "versions",
        "kind": kind,
        "version": found,
        "run": run,
        "metrics": metrics,
        "compared": compared,
        "plots": plots_of(found),
        "samples": sorted(getattr(found, "samples", []), key=_change),
        "judged": judged_samples(found),
        "config": full_config(run) if run else {},
        "provenance": found.provenance,
        "has_files": files_of(found) is not None,
        "loading": how_to_load(found),
        "distil": DISTIL if has_head(found) else "",
        **merged_shown(request, found),
        "taught": taught_by(found),
        "rolled_back": taken_back,
        "resting": rests_on_rolled_back(project, taken_back),
        "rejection": rejection_of(found),
        "promotions": promotions_with(found),
        "comparisons": comparisons_with(found),
    }
    return render(request, "rewardmodel/version.html", context)


def plots_of(version: Version) -> list[Plot]:
    if not isinstance(version, PolicyVersion):
        return plots_of_version(version.metrics)
    project = version.project
    family = list(policies_of(project).order_by("number"))
    return plots_of_version(version.metrics, family, last_best_of_n(project))


def family_plot(request: Request, slug: str, name: str) -> HttpResponse:
    """What a plot of all versions shows, as CSV."""
    project = project_for_admin(request.user, slug)
    return csv_of(_family_plots(project, list(policies_of(project))), name)


def _family_plots(project: Project, policies: Sequence[PolicyVersion]) -> list[Plot]:
    return plots_of_family(champion_reward_model(project), policies)


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


def archive(request: Request, slug: str, kind: str, number: int) -> HttpResponseBase:
    """Its files and a model card, as one file."""
    project, found = _version(request, slug, kind, number)
    folder = files_of(found)
    if folder is None:
        raise Http404
    name = f"{project.slug}-{kind}-{number}"
    file = Archive(folder, name, {"README.md": model_card(found).encode()})
    return send_file(request, cast(BinaryIO, file), f"{name}.tar", CONTENT_TYPE, file.tag)


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


@require_POST
def reject_version(request: Request, slug: str, kind: str, number: int) -> HttpResponse:
    _project, found = _version(request, slug, kind, number)
    if reject(found, by=request.user):
        messages.success(request, _("Version %(number)d is rejected.") % {"number": number})
    else:
        messages.error(request, _("Only a candidate can be rejected."))
    return redirect("version", slug, kind, number)


def _version(request: Request, slug: str, kind: str, number: int) -> tuple[Project, Version]:
    project = project_for_admin(request.user, slug)
    if kind not in KINDS:
        raise Http404
    return project, get_object_or_404(KINDS[kind](project), number=number)


def _compared_policy(metrics: dict[str, Any]) -> Table | None:
    """Parent and new one, which are then no longer among the metrics."""
    before, after = metrics.get("parent"), metrics.get("new")
    intervals = metrics.pop("intervals", {})
    if not before or not after:
        return None
    del metrics["parent"], metrics["new"]
    metrics.pop("gain_deviation", None)  # a sentence below the table has it
    return _compared(before, after, {}, intervals)


def _compared_judge(metrics: dict[str, Any]) -> Table | None:
    """What served and the new one, on the same held-out pairs; None of a model that was trained
    before its intervals were kept. What is seen of it is no longer among the metrics."""
    intervals, changes = metrics.pop("intervals", {}), metrics.pop("changes", {})
    before, after = metrics.pop("served", {}), metrics.get("heldout", {})
    if not intervals:
        return None
    names = [name for name in JUDGED_BY if after.get(name) is not None]
    before, after = ({n: each[n] for n in names if n in each} for each in (before, after))
    return _compared(before, after, intervals, changes)


def _compared(
    before: dict[str, Any],
    after: dict[str, Any],
    intervals: dict[str, list[float]],
    changes: dict[str, list[float]],
) -> Table:
    """Figures of both with their `intervals`, and what changed, with the intervals of that; without
    a column of which nothing is known."""
    change = {
        name: after[name] - value
        for name, value in before.items()
        if isinstance(value, int | float) and isinstance(after.get(name), int | float)
    }
    own, of_change = (
        {name: " – ".join(map(figure, ends)) for name, ends in each.items()}
        for each in (intervals, changes)
    )
    interval = _("99 %% interval") % {}
    columns = [
        (_("Before"), before),
        (_("After"), after),
        (interval, own),
        (_("Difference"), change),
        (interval, of_change),
    ]
    seen = [(heading, dict(rows_of(each))) for heading, each in columns if each]
    return Table([heading for heading, _each in seen], side_by_side([each for _h, each in seen]))


def _change(sample: dict[str, Any]) -> float:
    """The most changed first; those without a score last."""
    scores = sample.get("score_before"), sample.get("score_after")
    return -abs(scores[1] - scores[0]) if None not in scores else 1.0  # type: ignore[operator]
