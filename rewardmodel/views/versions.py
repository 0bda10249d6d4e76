"""Policies and reward models: where each comes from, and which one serves."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from annotation.models import Project
from annotation.services.policies import promote
from annotation.views.access import project_for_admin
from annotation.views.requests import Request
from rewardmodel.selectors import policies_of, reward_models_of

VersionsOf = Callable[[Project], QuerySet[Any]]
KINDS: dict[str, VersionsOf] = {"policy": policies_of, "reward": reward_models_of}


def versions(request: Request, slug: str) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    context = {
        "project": project,
        "section": "versions",
        "policies": policies_of(project),
        "reward_models": reward_models_of(project),
    }
    return render(request, "rewardmodel/versions.html", context)


@require_POST
def serve(request: Request, slug: str, kind: str, pk: int) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    if kind not in KINDS:
        raise Http404
    version = get_object_or_404(KINDS[kind](project), pk=pk)
    promote(version)
    messages.success(request, _("Version %(number)d serves now.") % {"number": version.number})
    return redirect("versions", slug)
