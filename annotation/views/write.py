"""The demonstration queue: people write the answer that the model should have given."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from annotation.forms import WriteForm
from annotation.models import Prompt
from annotation.selectors.demonstrations import own_demonstrations, prompts_to_answer
from annotation.selectors.projects import project_for_member
from annotation.services.demonstrations import write_demonstration
from annotation.views.requests import Request


@never_cache
def write(request: Request, slug: str) -> HttpResponse:
    project = project_for_member(request.user, slug)
    number = request.POST.get("prompt", "")
    form = WriteForm(request.POST if request.method == "POST" else None)
    prompt: Prompt | None
    if request.method == "POST":
        asked = get_object_or_404(project.prompts, pk=number[:18] if number.isdecimal() else 0)
        prompt = asked
        if form.is_valid():
            write_demonstration(asked, request.user, form.cleaned_data["text"])
            messages.success(request, _("Stored, thank you."))
            return redirect("write", slug)
    else:
        after = request.GET.get("after", "")
        waiting = prompts_to_answer(project, request.user)
        later = waiting.filter(id__gt=int(after[:18])) if after.isdecimal() else waiting
        prompt = later.first() or waiting.first()
    context = {
        "project": project,
        "prompt": prompt,
        "form": form,
        "written": own_demonstrations(project, request.user)[:10],
    }
    return render(request, "annotation/write.html", context)
