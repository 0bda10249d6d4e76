"""Prompt groups as admins see them: where each stands, and why some failed."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from annotation.models import PromptGroup
from annotation.selectors.groups import group_with_rankings, listed_groups, queue_counts
from annotation.selectors.pages import page_of
from annotation.selectors.projects import project_for_admin
from annotation.services.groups import retry_failed_groups
from annotation.views.requests import Request


def groups(request: Request, slug: str) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    status = request.GET.get("status", "")
    if status not in PromptGroup.Status.values:
        status = ""
    context = {
        "project": project,
        "section": "groups",
        "status": status,
        "statuses": PromptGroup.Status.choices,
        "queue": queue_counts(project),
        "page": page_of(listed_groups(project, status), request.GET.get("before", "")),
        "query": f"status={status}" if status else "",
    }
    return render(request, "annotation/groups.html", context)


def group(request: Request, slug: str, pk: int) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    context = {"project": project, "section": "groups", **vars(group_with_rankings(project, pk))}
    return render(request, "annotation/group.html", context)


@require_POST
def retry(request: Request, slug: str) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    count = retry_failed_groups(project)
    messages.info(
        request,
        ngettext(
            "%(count)d failed group is tried again.",
            "%(count)d failed groups are tried again.",
            count,
        )
        % {"count": count},
    )
    return redirect("groups", slug)
