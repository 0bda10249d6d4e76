"""What the policy is asked."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST

from annotation.forms import PromptsForm
from annotation.models import Project
from annotation.selectors.pages import page_of
from annotation.selectors.uploads import uploads_of
from annotation.services import uploads
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
        _add(request, project, form)
        return redirect("prompts", project.slug)
    shown = uploads_of(project)
    at_work = any(upload.is_active for upload in shown)
    context = {
        "project": project,
        "section": "prompts",
        "uploads": shown,
        "uploads_at_work": at_work,
    }
    if request.htmx:
        return render(request, "annotation/_uploads.html", context)
    context |= {
        "form": form,
        "count": project.prompts.count(),
        "page": page_of(project.prompts.all(), request.GET.get("before", "")),
    }
    return render(request, "annotation/prompts.html", context)


def _add(request: Request, project: Project, form: PromptsForm) -> None:
    data = form.cleaned_data
    if data["rows"] is None:
        name = data["file"].name if data["file"] else ""
        uploads.receive_upload(project, request.user, data["chunks"], name, data["language"])
        messages.info(request, _("So many prompts take a while: below you see how far they are."))
        return
    added = add_prompts(project, data["rows"])
    text = ngettext("%(added)d prompt added.", "%(added)d prompts added.", added)
    messages.success(request, text % {"added": added})
    if known := len(data["rows"]) - added:
        text = ngettext("%(known)d was there already.", "%(known)d were there already.", known)
        messages.info(request, text % {"known": known})


@require_POST
def cancel_upload(request: Request, slug: str, pk: int) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    if uploads.cancel_upload(get_object_or_404(project.uploads, pk=pk)):
        messages.info(request, _("The upload is cancelled. What was added before stays."))
    return redirect("prompts", slug)
