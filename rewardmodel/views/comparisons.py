"""Blind comparisons of two versions: started, followed, cancelled; who beats whom; and one of them,
with what judge models say beside people."""

import csv
import io
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from annotation.models import Comparison, PolicyVersion, Project
from annotation.selectors.comparisons import Standing, comparisons_of, met, standing_of
from annotation.selectors.policies import champion_policy
from annotation.services.comparisons import (
    MOST_PROMPTS,
    ComparisonRefused,
    end_comparison,
    resume_comparison,
    start_comparison,
)
from annotation.views.access import project_for_admin
from annotation.views.requests import Request
from rewardmodel.models import Judging, RewardModelVersion
from rewardmodel.selectors import champion_reward_model, policies_of
from rewardmodel.selectors.judging import judging_standing
from rewardmodel.services.judges import has_server
from rewardmodel.services.judging import (
    MOST_PAIRS,
    JudgingRefused,
    cancel_judging,
    resume_judging,
    start_judging,
)
from rewardmodel.views.versions import csv_file

MATRIX_FIELDS = ("version", "against", "wins", "losses", "ties", "open", "win_rate", "low", "high")


class VersionField(forms.ModelChoiceField):  # type: ignore[type-arg]
    def __init__(self, label: Any) -> None:
        super().__init__(PolicyVersion.objects.none(), label=label, empty_label=None)

    def label_from_instance(self, version: PolicyVersion) -> str:
        return f"{version.called} ({version.get_status_display()})"


class ComparisonForm(forms.Form):
    first = VersionField(gettext_lazy("Policy"))
    second = VersionField(gettext_lazy("Against"))
    prompts = forms.IntegerField(
        label=gettext_lazy("Held-out prompts, at most"),
        min_value=1,
        max_value=MOST_PROMPTS,
        initial=100,
        help_text=gettext_lazy("It ends earlier, as soon as people are sure."),
    )

    def __init__(self, project: Project, *given: Any) -> None:
        super().__init__(*given)
        for name in ("first", "second"):
            self.fields[name].queryset = policies_of(project)  # type: ignore[attr-defined]
        self.fields["first"].initial = champion_policy(project)


def comparisons(request: Request, slug: str) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    form = ComparisonForm(project, request.POST if request.method == "POST" else None)
    if form.is_valid():
        chosen = form.cleaned_data
        try:
            begun = start_comparison(
                project,
                chosen["first"],
                chosen["second"],
                prompts=chosen["prompts"],
                by=request.user,
            )
        except ComparisonRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(
                request, _("The comparison has begun: labelers find the pairs in their queue.")
            )
            return redirect("comparison", slug, begun.pk)
    known = list(comparisons_of(project))
    found = met(known)
    numbers = sorted({number for pair in found for number in pair})
    context = {
        "project": project,
        "section": "comparisons",
        "form": form,
        "comparisons": [(each, standing_of(each)) for each in known],
        "numbers": numbers,
        "matrix": [(row, [_cell(found, row, column) for column in numbers]) for row in numbers],
    }
    return render(request, "rewardmodel/comparisons.html", context)


class JudgingForm(forms.Form):
    """`judges`: by the name of a choice, the reward model, or None for the judge server."""

    judge = forms.ChoiceField(label=gettext_lazy("Judge model"))
    more = forms.IntegerField(
        label=gettext_lazy("Pairs more, at most"),
        min_value=0,
        max_value=MOST_PAIRS,
        initial=100,
        help_text=gettext_lazy(
            "Of held-out prompts that people have not judged; both versions answer them first."
        ),
    )

    def __init__(self, project: Project, *given: Any) -> None:
        super().__init__(*given)
        self.judges: dict[str, RewardModelVersion | None] = {}
        choices = []
        served = champion_reward_model(project)
        if served is not None:
            self.judges["reward"] = served
            label = _("reward model %(number)s, which serves") % {"number": served.called}
            choices.append(("reward", label))
        if has_server():
            self.judges["server"] = None
            host = urlsplit(settings.JUDGE_SERVER).hostname
            names = {"model": settings.JUDGE_MODEL, "host": host}
            choices.append(("server", _("%(model)s, at %(host)s") % names))
        self.fields["judge"].choices = choices  # type: ignore[attr-defined]


def comparison(request: Request, slug: str, pk: int) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    shown = get_object_or_404(comparisons_of(project), pk=pk)
    form = JudgingForm(project, request.POST if request.method == "POST" else None)
    if form.is_valid():
        chosen = form.cleaned_data
        judge = form.judges[chosen["judge"]]
        try:
            start_judging(shown, judge, chosen["more"], request.user)
        except JudgingRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("The judge model has begun."))
            return redirect("comparison", slug, pk)
    judgings = shown.judgings.select_related("reward_model", "started_by")
    is_judged = any(judging.status == Judging.Status.RUNNING for judging in judgings)
    context = {
        "project": project,
        "section": "comparisons",
        "form": form,
        "comparison": shown,
        "standing": standing_of(shown),
        "judgings": [(judging, judging_standing(judging, shown)) for judging in judgings],
        "is_judged": is_judged,
    }
    name = "_comparison_state" if request.htmx else "comparison"
    return render(request, f"rewardmodel/{name}.html", context)


@require_POST
def judging(request: Request, slug: str, pk: int, act: str) -> HttpResponse:
    """Cancelled, or gone on with."""
    project = project_for_admin(request.user, slug)
    found = get_object_or_404(Judging, comparison__project=project, pk=pk)
    if act == "cancel":
        cancel_judging(found)
        messages.info(request, _("The judge model is cancelled. What it judged stays."))
    else:
        try:
            resume_judging(found)
        except JudgingRefused as refusal:
            messages.error(request, str(refusal))
    return redirect("comparison", slug, found.comparison_id)


@require_POST
def cancel(request: Request, slug: str, pk: int) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    end_comparison(get_object_or_404(project.comparisons, pk=pk), Comparison.Status.CANCELLED)
    messages.info(request, _("The comparison is cancelled. What was judged stays."))
    return redirect("comparison", slug, pk)


@require_POST
def go_on(request: Request, slug: str, pk: int) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    try:
        resume_comparison(get_object_or_404(project.comparisons, pk=pk))
    except ComparisonRefused as refusal:
        messages.error(request, str(refusal))
    return redirect("comparison", slug, pk)


def matrix_csv(request: Request, slug: str) -> HttpResponse:
    """How each version fares against each that it met, a pair a row, both ways."""
    project = project_for_admin(request.user, slug)
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(MATRIX_FIELDS)
    for (other, version), standing in sorted(met(comparisons_of(project)).items()):
        counts = [standing.wins, standing.losses, standing.ties, standing.open]
        writer.writerow([version, other, *counts, standing.win_rate, *standing.interval])
    return csv_file(buffer.getvalue(), f"{project.slug}-comparisons")


def _cell(found: dict[tuple[int, int], Standing], row: int, column: int) -> Standing | None:
    """How the version of the row fares against that of the column."""
    standing = found.get((column, row))
    return standing if standing and standing.judged else None
