"""A policy version as one whole model: asked for, made by a worker, taken out."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from annotation.models import MergedModel, PolicyVersion
from annotation.services.jobs import cancel as cancel_job
from annotation.services.jobs import delete as delete_job
from annotation.services.jobs import job_of_token, link_token
from annotation.views.access import project_for_admin
from annotation.views.exports import send_made
from annotation.views.requests import Request
from rewardmodel.archive import CONTENT_TYPE
from rewardmodel.selectors import policies_of
from rewardmodel.selectors.versions import Version, may_be_merged, merged_model_of
from rewardmodel.services.merging import ask_for_merged


def merged_shown(request: Request, version: Version) -> dict[str, Any]:
    """What the version's page says of it."""
    if not (isinstance(version, PolicyVersion) and may_be_merged(version)):
        return {"can_be_merged": False}
    merged = merged_model_of(version)
    link = reverse("merged_link", args=[link_token(merged)]) if merged else ""
    shown = {"merged": merged, "merged_link": request.build_absolute_uri(link)}
    return {"can_be_merged": True, "at_work": merged is not None and merged.is_active, **shown}


def merged(request: Request, slug: str, number: int) -> HttpResponse:
    """Asks for it; or how far it is."""
    policy = _policy(request, slug, number)
    if request.method == "POST":
        ask_for_merged(policy, request.user)
    if request.htmx:
        context = {"project": policy.project, "version": policy, **merged_shown(request, policy)}
        return render(request, "rewardmodel/_merged.html", context)
    return redirect("version", slug, "policy", number)


@require_POST
def cancel(request: Request, slug: str, number: int, pk: int) -> HttpResponse:
    cancel_job(_merged(request, slug, number, pk))
    return redirect("version", slug, "policy", number)


@require_POST
def delete(request: Request, slug: str, number: int, pk: int) -> HttpResponse:
    delete_job(_merged(request, slug, number, pk))
    return redirect("version", slug, "policy", number)


def download(request: Request, slug: str, number: int, pk: int) -> HttpResponseBase:
    return send_made(request, _merged(request, slug, number, pk), CONTENT_TYPE)


@login_not_required
def linked(request: HttpRequest, token: str) -> HttpResponseBase:
    """The file for whoever has its link."""
    found = job_of_token(MergedModel, token)
    if found is None:
        raise Http404
    return send_made(request, found, CONTENT_TYPE)


def _policy(request: Request, slug: str, number: int) -> PolicyVersion:
    project = project_for_admin(request.user, slug)
    policy = get_object_or_404(policies_of(project), number=number)
    if not may_be_merged(policy):
        raise Http404
    policy.project = project  # which knows the user's role
    return policy


def _merged(request: Request, slug: str, number: int, pk: int) -> MergedModel:
    return get_object_or_404(_policy(request, slug, number).merged, pk=pk)
