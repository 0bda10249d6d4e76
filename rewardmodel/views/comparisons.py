"""Blind comparisons of two versions: started, followed, cancelled; and who beats whom."""

from typing import Any

from django import forms
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
    start_comparison,
)
from annotation.views.access import project_for_admin
from annotation.views.requests import Request
from rewardmodel.selectors import policies_of


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
            start_comparison(
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
            return redirect("comparisons", slug)
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


@require_POST
def cancel(request: Request, slug: str, pk: int) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    end_comparison(get_object_or_404(project.comparisons, pk=pk), Comparison.Status.CANCELLED)
    messages.info(request, _("The comparison is cancelled. What was judged stays."))
    return redirect("comparisons", slug)


def _cell(found: dict[tuple[int, int], Standing], row: int, column: int) -> Standing | None:
    """How the version of the row fares against that of the column."""
    standing = found.get((column, row))
    return standing if standing and standing.judged else None
