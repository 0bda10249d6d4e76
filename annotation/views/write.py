"""The demonstration queue: people write the answer that the model should have given."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from annotation.forms import WriteForm
from annotation.models import Project, Writing
from annotation.selectors.demonstrations import own_demonstrations, own_writings
from annotation.selectors.projects import project_for_member
from annotation.services.writing import (
    WritingRefused,
    keep_writing,
    submit_writing,
    take_prompt,
)
from annotation.views.requests import Request, posted_number
from annotation.views.words import write_words

MOST_LISTED = 10


@never_cache
def write(request: Request, slug: str) -> HttpResponse:
    project = project_for_member(request.user, slug)
    if request.method == "POST":
        return _submit(request, project)
    after = request.GET.get("after", "")
    writing = take_prompt(project, request.user, int(after[:18]) if after.isdecimal() else None)
    form = WriteForm(initial={"text": writing.text} if writing else None)
    return _page(request, project, writing, form)


def _submit(request: Request, project: Project) -> HttpResponse:
    writing, form = _writing_of(request, project), WriteForm(request.POST)
    if not form.is_valid():
        return _page(request, project, writing, form)
    try:
        submit_writing(writing, form.cleaned_data["text"])
        messages.success(request, _("Stored, thank you."))
    except WritingRefused as refusal:
        messages.warning(request, str(refusal))
    return redirect("write", project.slug)


def _writing_of(request: Request, project: Project) -> Writing:
    own = own_writings(project, request.user).select_related("prompt__project", "author")
    return get_object_or_404(own, pk=posted_number(request, "token"))


def _page(
    request: Request, project: Project, writing: Writing | None, form: WriteForm
) -> HttpResponse:
    kept = own_writings(project, request.user).exclude(text="")
    context: dict[str, Any] = {
        "project": project,
        "writing": writing,
        "prompt": writing.prompt if writing else None,
        "seconds_left": _seconds_left(writing),
        "form": form,
        "words": write_words(),
        "kept": kept.exclude(pk=writing.pk if writing else 0)[:MOST_LISTED],
        "written": own_demonstrations(project, request.user)[:MOST_LISTED],
    }
    return render(request, "annotation/write.html", context)


def _seconds_left(writing: Writing | None) -> int | None:
    if writing is None or writing.expires_at is None:
        return None
    return int((writing.expires_at - timezone.now()).total_seconds())


@require_POST
def draft(request: Request, slug: str) -> HttpResponse:
    """Keeps what was written so far and renews the lease; says how long it lasts."""
    writing = _writing_of(request, project_for_member(request.user, slug))
    keep_writing(writing, request.POST.get("text", "")[: WriteForm.LONGEST])
    return JsonResponse({"kept": True, "seconds_left": _seconds_left(writing)})
