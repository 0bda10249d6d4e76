"""What labelers told the admins, and what the desk asks of labelers."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from annotation.forms import DeskSettingsForm
from annotation.selectors.pages import page_of
from annotation.selectors.projects import project_for_admin
from annotation.services.places import resolve_flag
from annotation.views.requests import Request


def flags(request: Request, slug: str) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    if request.method == "POST":
        number = request.POST.get("flag", "")
        open_flags = project.flags.filter(resolved_at__isnull=True)
        flag = get_object_or_404(open_flags, pk=number[:18] if number.isdecimal() else 0)
        resolve_flag(flag, request.user)
        messages.success(request, _("Marked as resolved."))
        return redirect("flags", slug)
    is_resolved = request.GET.get("state") == "resolved"
    found = project.flags.filter(resolved_at__isnull=not is_resolved)
    context = {
        "project": project,
        "section": "flags",
        "is_resolved": is_resolved,
        "page": page_of(
            found.select_related("prompt", "labeler", "resolved_by"), request.GET.get("before", "")
        ),
        "query": "state=resolved" if is_resolved else "",
    }
    return render(request, "annotation/flags.html", context)


def desk_settings(request: Request, slug: str) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    form = DeskSettingsForm(request.POST if request.method == "POST" else None, instance=project)
    if form.is_valid():
        form.save()
        messages.success(request, _("The settings are stored."))
        return redirect("desk_settings", slug)
    context = {"project": project, "section": "desk", "form": form}
    return render(request, "annotation/desk_settings.html", context)
