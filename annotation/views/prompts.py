"""What the policy is asked."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import ngettext
from django.views.decorators.csrf import csrf_protect

from annotation.forms import PromptsForm
from annotation.models import Project
from annotation.selectors.pages import page_of
from annotation.services.prompts import add_prompts
from annotation.views.access import project_for_admin
from annotation.views.requests import Request, takes_upload


@takes_upload
def prompts(request: Request, slug: str) -> HttpResponse:
    return _prompts(request, project_for_admin(request.user, slug))


@csrf_protect
def _prompts(request: Request, project: Project) -> HttpResponse:
    is_sent = request.method == "POST"
    form = PromptsForm(request.POST, request.FILES) if is_sent else PromptsForm()
    if form.is_valid():
        rows = form.cleaned_data["rows"]
        added = add_prompts(project, rows)
        text = ngettext("%(added)d prompt added.", "%(added)d prompts added.", added)
        messages.success(request, text % {"added": added})
        if known := len(rows) - added:
            text = ngettext("%(known)d was there already.", "%(known)d were there already.", known)
            messages.info(request, text % {"known": known})
        return redirect("prompts", project.slug)
    context = {
        "project": project,
        "section": "prompts",
        "form": form,
        "count": project.prompts.count(),
        "page": page_of(project.prompts.all(), request.GET.get("before", "")),
    }
    return render(request, "annotation/prompts.html", context)
