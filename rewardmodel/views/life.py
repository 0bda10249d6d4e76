"""A project is copied, archived, put back, deleted."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from annotation.selectors.projects import made_just_now
from annotation.views.access import check_may_create_projects, project_for_admin, project_for_owner
from annotation.views.requests import Request
from rewardmodel.forms import CopyForm, DeleteForm
from rewardmodel.services.archiving import archive_project, ask_deletion, restore_project
from rewardmodel.services.copying import copy_project


def copy(request: Request, slug: str) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    check_may_create_projects(request.user)
    is_sent = request.method == "POST"
    form = CopyForm(request.POST if is_sent else None)
    name, address = (request.POST.get(field, "").strip() for field in ("name", "slug"))
    if is_sent and (made := made_just_now(request.user, name, address)):
        return redirect("project", made.slug)
    if form.is_valid():
        given = form.cleaned_data
        copied = copy_project(
            project,
            given["name"],
            given["slug"],
            by=request.user,
            with_prompts=given["with_prompts"],
        )
        messages.success(request, _("The copy is there, with nothing answered or ranked yet."))
        return redirect("project", copied.slug)
    context = {"project": project, "section": "settings", "form": form}
    return render(request, "rewardmodel/project_copy.html", context)


@require_POST
def archive(request: Request, slug: str) -> HttpResponse:
    project = project_for_owner(request.user, slug)
    archive_project(project)
    messages.success(
        request, _("The project is archived: it can be read, and nothing in it changes.")
    )
    return redirect("project_settings", slug)


@require_POST
def restore(request: Request, slug: str) -> HttpResponse:
    restore_project(project_for_owner(request.user, slug))
    messages.success(
        request, _("The project is back, and paused: tick “Active” when it is to go on.")
    )
    return redirect("project_settings", slug)


def delete(request: Request, slug: str) -> HttpResponse:
    project = project_for_owner(request.user, slug)
    if project.archived_at is None:
        messages.error(request, _("Only an archived project can be deleted: archive it first."))
        return redirect("project_settings", slug)
    form = DeleteForm(project, request.POST if request.method == "POST" else None)
    if form.is_valid():
        ask_deletion(project)
        said = _("%(name)s is being deleted. With many rankings that takes some minutes.")
        messages.success(request, said % {"name": project.name})
        return redirect("home")
    context = {"project": project, "section": "settings", "form": form}
    return render(request, "rewardmodel/project_delete.html", context)
