"""The demonstration queue: people write the answer that the model should have given."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from annotation.forms import WriteForm, typed
from annotation.models import Project, Writing
from annotation.selectors.demonstrations import (
    kept_writings,
    own_demonstrations,
    own_writings,
    queue_demonstrations,
)
from annotation.selectors.pages import page_of
from annotation.services.writing import (
    WritingRefused,
    change_answer,
    keep_writing,
    submit_writing,
    take_prompt,
)
from annotation.views.access import project_for_member
from annotation.views.requests import Request, is_script, posted_number
from annotation.views.words import write_words

MOST_LISTED = 10


def write(request: Request, slug: str) -> HttpResponse:
    project = project_for_member(request.user, slug)
    if request.method == "POST":
        return _submit(request, project)
    after, wanted = _asked_number(request, "after"), _asked_number(request, "question")
    writing = take_prompt(project, request.user, after, wanted)
    if wanted is not None and (writing is None or writing.prompt_id != wanted):
        messages.warning(
            request, _("This question has its answers meanwhile. What you wrote is kept below.")
        )
    form = WriteForm(initial={"text": writing.text} if writing else None)
    return _page(request, project, writing, form)


def _asked_number(request: Request, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text[:18]) if text.isdecimal() else None


def _submit(request: Request, project: Project) -> HttpResponse:
    writing, form = _writing_of(request, project), WriteForm(request.POST)
    if not form.is_valid():
        if is_script(request):
            return _refused(form.problem)
        return _page(request, project, writing, form)
    try:
        submit_writing(writing, form.cleaned_data["text"])
        messages.success(request, _("Stored, thank you."))
    except WritingRefused as refusal:
        messages.warning(request, str(refusal))
    return _led_on(request, project)


def _led_on(request: Request, project: Project) -> HttpResponse:
    next_page = reverse("write", args=[project.slug])
    return JsonResponse({"next": next_page}) if is_script(request) else redirect(next_page)


def _refused(problem: str) -> HttpResponse:
    return JsonResponse({"problem": problem}, status=409)


def _writing_of(request: Request, project: Project) -> Writing:
    own = own_writings(project, request.user)
    return get_object_or_404(own, pk=posted_number(request, "token"))


def _page(
    request: Request, project: Project, writing: Writing | None, form: WriteForm
) -> HttpResponse:
    kept = kept_writings(project, request.user).exclude(pk=writing.pk if writing else 0)
    written = own_demonstrations(project, request.user)
    context: dict[str, Any] = {
        "project": project,
        "section": "write",
        "writing": writing,
        "prompt": writing.prompt if writing else None,
        "seconds_left": _seconds_left(writing),
        "form": form,
        "words": write_words(),
        "kept": kept[:MOST_LISTED],
        "page": page_of(written, request.GET.get("before", ""), MOST_LISTED),
    }
    return render(request, "annotation/write.html", context)


def _seconds_left(writing: Writing | None) -> int | None:
    if writing is None or writing.expires_at is None:
        return None
    return int((writing.expires_at - timezone.now()).total_seconds())


def rewrite(request: Request, slug: str, pk: int) -> HttpResponse:
    """Changes an answer that was written here; one beside a ranking is changed with the ranking."""
    project = project_for_member(request.user, slug)
    written = get_object_or_404(queue_demonstrations(project, request.user), pk=pk)
    form, problem = WriteForm(initial={"text": written.text}), ""
    if request.method == "POST":
        form = WriteForm(request.POST)
        try:
            if not form.is_valid():
                raise WritingRefused(form.problem)
            change_answer(written, form.cleaned_data["text"])
        except WritingRefused as refusal:
            problem = str(refusal)
        else:
            messages.success(request, _("Stored as a new revision; the old one is kept."))
            return _led_on(request, project)
    if problem and is_script(request):
        return _refused(problem)
    context = {
        "project": project,
        "section": "write",
        "changed": written,
        "prompt": written.prompt,
        "form": form,
        "problem": problem,
        "words": write_words(),
    }
    return render(request, "annotation/write.html", context, status=409 if problem else 200)


@require_POST
def draft(request: Request, slug: str) -> HttpResponse:
    """Keeps what was written so far and renews the lease; says how long it lasts.

    A window in which nothing was written since only renews: another one may hold a newer draft.
    """
    writing = _writing_of(request, project_for_member(request.user, slug))
    sent = writing.text if "renew" in request.POST else typed(request.POST.get("text", ""))
    keep_writing(writing, sent[: WriteForm.LONGEST])
    return JsonResponse({"kept": True, "seconds_left": _seconds_left(writing)})
