"""Policies and reward models: where each comes from, and which one serves."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from annotation.models import PolicyVersion
from annotation.models.policy import ModelVersion
from annotation.selectors.projects import project_for_admin
from annotation.services.policies import promote
from annotation.views.requests import Request
from rewardmodel.models import RewardModelVersion

KINDS: dict[str, type[ModelVersion]] = {"policy": PolicyVersion, "reward": RewardModelVersion}


def versions(request: Request, slug: str) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    reward_models = RewardModelVersion.objects.filter(project=project)
    context = {
        "project": project,
        "section": "versions",
        "policies": project.policyversions.select_related("parent", "produced_by__reward_model"),
        "reward_models": reward_models.select_related("parent", "produced_by", "snapshot"),
    }
    return render(request, "rewardmodel/versions.html", context)


@require_POST
def serve(request: Request, slug: str, kind: str, pk: int) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    if kind not in KINDS:
        raise Http404
    version = get_object_or_404(KINDS[kind]._default_manager.filter(project=project), pk=pk)
    promote(version)
    messages.success(request, _("Version %(number)d serves now.") % {"number": version.number})
    return redirect("versions", slug)
