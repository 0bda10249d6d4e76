"""What labelers told the admins, or passed over."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from annotation.models import Project
from annotation.selectors.flags import flags_of
from annotation.selectors.groups import nobody_left, skipped_groups, withdrawn_groups
from annotation.selectors.pages import page_of
from annotation.services.flags import resolve_flag
from annotation.services.groups import put_back_group, withdraw_group
from annotation.views.access import project_for_admin
from annotation.views.requests import Request, posted_number

MOST_STUCK = 100


def flags(request: Request, slug: str) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    if request.method == "POST":
        flag = get_object_or_404(project.flags, pk=posted_number(request, "flag"))
        resolve_flag(flag, request.user)
        messages.success(request, _("Marked as resolved."))
        return redirect("flags", slug)
    is_resolved = request.GET.get("state") == "resolved"
    context = {
        "project": project,
        "section": "flags",
        "is_resolved": is_resolved,
        "page": page_of(flags_of(project, is_resolved), request.GET.get("before", "")),
        "query": "state=resolved" if is_resolved else "",
    }
    return render(request, "annotation/flags.html", context)


def skips(request: Request, slug: str) -> HttpResponse:
    """Skipped groups, first those that nobody is left to rank; or those that were withdrawn."""
    project = project_for_admin(request.user, slug)
    if request.method == "POST":
        _move(request, project)
        return redirect(request.get_full_path())
    is_withdrawn = request.GET.get("state") == "withdrawn"
    found = withdrawn_groups(project) if is_withdrawn else skipped_groups(project)
    page = page_of(found, request.GET.get("before", ""))
    stuck = [] if is_withdrawn else list(nobody_left(found, project)[:MOST_STUCK])
    context = {
        "project": project,
        "section": "flags",
        "is_withdrawn": is_withdrawn,
        "stuck": stuck if page.is_first else [],
        "others": [group for group in page.rows if group not in stuck],
        "page": page,
        "query": "state=withdrawn" if is_withdrawn else "",
    }
    return render(request, "annotation/skips.html", context)


def _move(request: Request, project: Project) -> None:
    """Takes a group out of the queue, or puts it back."""
    group = get_object_or_404(project.groups, pk=posted_number(request, "group"))
    if request.POST.get("to") == "queue":
        if put_back_group(group):
            messages.success(request, _("The group is in the queue again."))
    elif withdraw_group(group):
        messages.success(request, _("The group is withdrawn: nobody gets it any more."))
