"""Prompt groups as admins see them: where each stands, and why some failed."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from annotation.filters import GroupFilter
from annotation.selectors.groups import judged_group, listed_groups, queue_counts
from annotation.selectors.pages import page_of
from annotation.services.groups import retry_failed_groups
from annotation.views.access import project_for_admin
from annotation.views.requests import Request


def groups(request: Request, slug: str) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    wanted = GroupFilter(request.GET, listed_groups(project))
    found = wanted.qs
    context = {
        "project": project,
        "section": "groups",
        "status": wanted.form.cleaned_data.get("status", ""),
        "statuses": GroupFilter.CHOICES,
        "queue": queue_counts(project),
        "page": page_of(found, request.GET.get("before", "")),
        "query": wanted.query,
    }
    return render(request, "annotation/groups.html", context)


def group(request: Request, slug: str, pk: int) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    group = get_object_or_404(listed_groups(project), pk=pk)
    context = {"project": project, "section": "groups", **vars(judged_group(group))}
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
