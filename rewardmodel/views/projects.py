"""Making a project, and changing what it asks for."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from annotation.selectors.projects import made_just_now
from annotation.services.projects import change_project, create_project
from annotation.views.access import check_may_create_projects, project_for_admin
from annotation.views.requests import Request
from rewardmodel.forms import NewProjectForm, ProjectForm


def new(request: Request) -> HttpResponse:
    check_may_create_projects(request.user)
    is_sent = request.method == "POST"
    form = NewProjectForm(request.user, request.POST if is_sent else None)
    name, slug = (request.POST.get(field, "").strip() for field in ("name", "slug"))
    if is_sent and (made := made_just_now(request.user, name, slug)):
        return redirect("prompts", made.slug)
    if form.is_valid():
        project = create_project(form.save(commit=False), owner=request.user)
        messages.success(
            request, _("The project is there. Add prompts next: they are what the model is asked.")
        )
        return redirect("prompts", project.slug)
    return render(request, "rewardmodel/project_new.html", {"form": form})


def settings(request: Request, slug: str) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    form = ProjectForm(request.POST if request.method == "POST" else None, instance=project)
    if form.is_valid():
        change_project(form.save(commit=False), form.changed_data)
        messages.success(request, _("The settings are stored."))
        return redirect("project_settings", slug)
    # A refused form has written what was typed into its instance; the page shows what is stored.
    shown = project_for_admin(request.user, slug) if form.errors else project
    context = {"project": shown, "section": "settings", "form": form}
    return render(request, "rewardmodel/project_settings.html", context)
