"""The loop as it stands, and its runs."""

import hashlib
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from annotation.services.generation import ask_for_answers
from annotation.views.access import project_for_admin
from annotation.views.requests import Request
from rewardmodel.models import LiveHead, TrainingRun
from rewardmodel.pace import minutes_left, phases_of
from rewardmodel.plots import plots_of_run
from rewardmodel.plots.course import course_of, course_of_live
from rewardmodel.selectors import (
    FEWEST_RANKINGS,
    full_config,
    log_tail,
    loop_status,
    may_go_on,
    runs_of,
)
from rewardmodel.selectors.next_steps import upcoming
from rewardmodel.services import RunRefused, go_on_with, request_cancel, start_run
from rewardmodel.views.versions import csv_of


def project(request: Request, slug: str) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    status = loop_status(project)
    context = {
        "project": project,
        "section": "loop",
        "status": status,
        "upcoming": upcoming(project, status),
        "minutes_left": minutes_left(status.active_run),
        "live_plots": course_of_live(status.live) if status.live else [],
        "fewest_rankings": FEWEST_RANKINGS,
    }
    return _polled(request, "rewardmodel/project.html", "rewardmodel/_loop.html", context)


def run(request: Request, slug: str, pk: int) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    run = get_object_or_404(runs_of(project), pk=pk)
    context = {
        "project": project,
        "section": "runs",
        "run": run,
        "plots": plots_of_run(run),
        "course": course_of(run),
        "config": full_config(run),
        "log": log_tail(run),
        "phases": phases_of(run),
        "minutes_left": minutes_left(run),
        "may_go_on": may_go_on(run),
    }
    return _polled(request, "rewardmodel/run.html", "rewardmodel/_run.html", context)


def live_plot(request: Request, slug: str, name: str) -> HttpResponse:
    """What a plot of the head that follows the rankings shows, as CSV."""
    project = project_for_admin(request.user, slug)
    return csv_of(course_of_live(get_object_or_404(LiveHead, project=project)), name)


def plot(request: Request, slug: str, pk: int, name: str) -> HttpResponse:
    """What one of a run's plots shows, as CSV."""
    project = project_for_admin(request.user, slug)
    found = get_object_or_404(runs_of(project), pk=pk)
    return csv_of([*plots_of_run(found), *course_of(found)], name)


@require_POST
def generate(request: Request, slug: str) -> HttpResponse:
    waiting = ask_for_answers(project_for_admin(request.user, slug))
    if waiting:
        messages.success(
            request,
            ngettext(
                "%(count)d group waits for answers; the worker has been called.",
                "%(count)d groups wait for answers; the worker has been called.",
                waiting,
            )
            % {"count": waiting},
        )
    else:
        messages.info(request, _("As many groups are ready as the project wants."))
    return redirect("project", slug)


@require_POST
def start(request: Request, slug: str) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    kind = request.POST.get("kind", "")
    if kind not in TrainingRun.Kind:
        return HttpResponseBadRequest("There is no such kind of run.")
    try:
        start_run(project, kind, started_by=request.user)
    except RunRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("The run is queued. It starts as soon as a worker is free."))
    return redirect("project", slug)


@require_POST
def cancel(request: Request, slug: str, pk: int) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    pause = "pause" in request.POST
    request_cancel(get_object_or_404(runs_of(project), pk=pk), pause=pause)
    messages.info(request, _("The run is being cancelled. This takes a few seconds."))
    if pause:
        messages.info(request, _("Training is paused: it starts by itself no more."))
    return redirect("project", slug)


@require_POST
def go_on(request: Request, slug: str, pk: int) -> HttpResponse:
    """With a cancelled run."""
    project = project_for_admin(request.user, slug)
    try:
        go_on_with(get_object_or_404(runs_of(project), pk=pk))
    except RunRefused as refusal:
        messages.error(request, str(refusal))
    return redirect("run", slug, pk)


def _polled(request: Request, page: str, fragment: str, context: dict[str, Any]) -> HttpResponse:
    """The page; or, to a poll, its fragment, or 204 when the browser shows it already.

    Without the request there is no CSRF token in the fragment, so the same state has the same
    digest. A fragment that did not change is left alone: no focus and no click is lost.
    """
    state = render_to_string(fragment, context)
    context["seen"] = hashlib.sha256(state.encode()).hexdigest()[:16]
    if not request.htmx:
        return render(request, page, context)
    if request.GET.get("seen") == context["seen"]:
        return HttpResponse(status=204)
    return render(request, fragment, context)
