"""What pretraining helps: the newest report, and the start of another one."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from annotation.views.access import project_for_admin
from annotation.views.requests import Request
from rewardmodel.models import TrainingRun
from rewardmodel.plots import plots_of_run
from rewardmodel.selectors import active_run, last_pretraining
from rewardmodel.services import RunRefused, start_run
from rewardmodel.views.versions import csv_of


def page(request: Request, slug: str) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    if request.method == "POST":
        try:
            run = start_run(project, TrainingRun.Kind.PRETRAINING, started_by=request.user)
        except RunRefused as refusal:
            messages.error(request, str(refusal))
            return redirect("pretraining", slug)
        messages.success(request, _("The run is queued. It starts as soon as a worker is free."))
        return redirect("run", slug, run.pk)
    report = last_pretraining(project)
    context = {
        "project": project,
        "section": "runs",
        "report": report,
        "plots": plots_of_run(report) if report else [],
        "active": active_run(project),
    }
    return render(request, "rewardmodel/pretraining.html", context)


def plot(request: Request, slug: str, name: str) -> HttpResponse:
    """What one of the newest report's plots shows, as CSV."""
    report = last_pretraining(project_for_admin(request.user, slug))
    if report is None:
        raise Http404
    return csv_of(plots_of_run(report), name)
