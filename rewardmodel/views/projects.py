"""Making a project, and changing what it asks for."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from annotation.lm.model_facts import ModelFacts
from annotation.selectors.projects import is_owner, made_just_now, may_create_projects
from annotation.services.projects import create_project
from annotation.views.access import check_may_create_projects, project_for_admin
from annotation.views.requests import Request
from rewardmodel.forms import NewProjectForm, ProjectForm
from rewardmodel.selectors import base_model_of
from rewardmodel.services.projects import store_settings


def new(request: Request) -> HttpResponse:
    check_may_create_projects(request.user)
    is_sent = request.method == "POST"
    form = NewProjectForm(request.user, request.POST if is_sent else None)
    name, slug = (request.POST.get(field, "").strip() for field in ("name", "slug"))
    if is_sent and (made := made_just_now(request.user, name, slug)):
        return redirect("prompts", made.slug)
    if form.is_valid():
        project = create_project(form.save(commit=False), owner=request.user)
        _say_facts(request, form.facts)
        messages.success(
            request, _("The project is there. Add prompts next: they are what the model is asked.")
        )
        return redirect("prompts", project.slug)
    return render(request, "rewardmodel/project_new.html", {"form": form})


def settings(request: Request, slug: str) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    form = ProjectForm(
        request.user, request.POST if request.method == "POST" else None, instance=project
    )
    if form.is_valid():
        if not store_settings(form.save(commit=False), form.changed_data, by=request.user):
            messages.error(request, _("The project is archived: put it back first."))
            return redirect("project", slug)
        messages.success(request, _("The settings are stored."))
        _say_facts(request, form.facts)
        return redirect("project_settings", slug)
    # A refused form has written what was typed into its instance; the page shows what is stored.
    shown = project_for_admin(request.user, slug) if form.errors else project
    context = {
        "project": shown,
        "section": "settings",
        "form": form,
        "base": base_model_of(shown),
        "may_change_base": "policy_model" in form.fields,
        "may_copy": may_create_projects(request.user),
        "is_owner": is_owner(request.user, project),
    }
    return render(request, "rewardmodel/project_settings.html", context)


def _say_facts(request: Request, facts: ModelFacts | None) -> None:
    """What was found of a base model that was entered just now."""
    if facts is None:
        return
    if not facts.is_checked:
        messages.warning(
            request,
            _(
                "The base model could not be checked: it is not on this machine, and the hub "
                "cannot be reached from here. The worker fetches it when it is needed, or says "
                "why it cannot."
            ),
        )
        return
    messages.info(
        request,
        _("The base model: %(kind)s, %(size).1f GB, licence: %(licence)s.")
        % {
            "kind": facts.architecture,
            "size": facts.gigabytes,
            "licence": facts.licence or _("none named"),
        },
    )
