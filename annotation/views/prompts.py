"""What the policy is asked."""

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBadRequest, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST

from annotation.exchange.prompts import NewPrompt
from annotation.exchange.tags import tags_of
from annotation.exchange.wording import Unreadable
from annotation.filters import PromptFilter
from annotation.forms import PromptForm, PromptsForm
from annotation.forms.prompts import BETWEEN_TAGS
from annotation.models import Project, Prompt
from annotation.selectors.pages import page_of
from annotation.selectors.prompts import listed_prompts
from annotation.selectors.uploads import uploads_of
from annotation.services import uploads
from annotation.services.prompts import (
    PromptRefused,
    add_prompts,
    change_prompt,
    delete_prompts,
    put_back_prompts,
    tag_prompts,
    untag_prompts,
    withdraw_prompts,
)
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
    wanted = PromptFilter(request.GET, listed_prompts(project))
    found = wanted.qs if wanted.is_valid() else Prompt.objects.none()
    context |= {
        "form": form,
        "count": project.prompts.count(),
        "filter": wanted.form,
        "is_filtered": wanted.form.has_changed(),
        "query": wanted.query,
        "page": page_of(found, request.GET.get("before", "")),
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


@require_POST
def change(request: Request, slug: str) -> HttpResponse:
    """Of those that are ticked."""
    project = project_for_admin(request.user, slug)
    ticked = [int(value[:18]) for value in request.POST.getlist("prompt") if value.isdecimal()]
    query = QueryDict(request.POST.get("query", "")).urlencode()
    back = redirect(f"{reverse('prompts', args=[slug])}?{query}")
    action = request.POST.get("action")
    if action == "withdraw":
        count = withdraw_prompts(project, ticked)
        text = ngettext("%(n)d prompt withdrawn.", "%(n)d prompts withdrawn.", count)
    elif action == "put_back":
        count = put_back_prompts(project, ticked)
        text = ngettext("%(n)d prompt put back.", "%(n)d prompts put back.", count)
    elif action == "delete":
        count = delete_prompts(project, ticked)
        text = ngettext("%(n)d prompt deleted.", "%(n)d prompts deleted.", count)
        if count < len(ticked):
            messages.info(request, _("What was answered stays: it can be withdrawn."))
    elif action in ("tag", "untag"):
        _retag(request, project, ticked, action)
        return back
    else:
        return HttpResponseBadRequest("There is no such action.")
    messages.success(request, text % {"n": count})
    return back


def _retag(request: Request, project: Project, ticked: list[int], action: str) -> None:
    try:
        tags = tags_of(request.POST.get("tags", ""))
        count = {"tag": tag_prompts, "untag": untag_prompts}[action](project, ticked, tags)
    except Unreadable as problem:
        messages.error(request, problem.worded(_))
    except PromptRefused as refusal:
        messages.error(request, str(refusal))
    else:
        text = ngettext("%(n)d prompt changed.", "%(n)d prompts changed.", count)
        messages.success(request, text % {"n": count})


def prompt(request: Request, slug: str, pk: int) -> HttpResponse:
    """One prompt, to be changed while nobody made anything of it."""
    project = project_for_admin(request.user, slug)
    found = get_object_or_404(listed_prompts(project), pk=pk)
    data = request.POST if request.method == "POST" else None
    initial = {"language": found.language, "tags": BETWEEN_TAGS.join(found.tags)}
    form = PromptForm(found.messages, data, initial=initial)
    if form.is_valid():
        try:
            change_prompt(found, *form.said)
        except PromptRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("The prompt is changed."))
            return redirect("prompts", slug)
    context = {
        "project": project,
        "section": "prompts",
        "prompt": found,
        "form": form,
        "groups": found.groups.select_related("policy").order_by("-id"),
    }
    return render(request, "annotation/prompt.html", context)


def write(request: Request, slug: str) -> HttpResponse:
    """A new prompt of several turns."""
    project = project_for_admin(request.user, slug)
    start = [{"role": role, "content": ""} for role in ("user", "assistant")]
    form = PromptForm(start, request.POST if request.method == "POST" else None)
    if form.is_valid():
        said, language, tags = form.said
        if add_prompts(project, [NewPrompt(said, language, tags=tags)]):
            messages.success(request, _("The prompt is added."))
            return redirect("prompts", slug)
        form.add_error(None, _("The project has this prompt already."))
    context = {"project": project, "section": "prompts", "prompt": None, "form": form}
    return render(request, "annotation/prompt.html", context)
