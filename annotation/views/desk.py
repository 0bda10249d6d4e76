"""The desk as a page or a part of one: what every way to it shows."""

import uuid
from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from annotation.forms import FlagForm, JudgmentForm
from annotation.judgment.fields import GROUP, answer_fields
from annotation.models import Assignment, Project, Skip
from annotation.selectors.assignments import answers_of_group, prompt_of_group
from annotation.selectors.desks import own_skip, ranked_today
from annotation.selectors.rankings import undoable_ranking
from annotation.views.requests import Request
from annotation.views.words import answer_names, desk_words, said_before


def token_of(request: Request, name: str = "token") -> uuid.UUID:
    """The posted token of a lease; a broken one is like one that was never given out."""
    try:
        return uuid.UUID(request.POST.get(name, ""))
    except ValueError:
        return uuid.uuid4()


def group_context(
    project: Project, group_id: int, order: list[int], form: JudgmentForm
) -> dict[str, Any]:
    """The group in the order shown; nothing here tells which answer is which."""
    answers = {answer.position: answer for answer in answers_of_group(group_id)}
    shown = form.shown_answers([answers[position] for position in order])
    return {
        "project": project,
        "section": "rank",
        "prompt": prompt_of_group(group_id)[0],
        "answers": [
            (answer, answer_names(number), answer_fields(number))
            for number, answer in enumerate(shown, start=1)
        ],
        "form": form,
        "fields": GROUP,
        "said_before": said_before(form.answered.mode, form.ranks_before),
        "is_thumbs": form.is_thumbs,
        "is_order_optional": form.asked.is_order_optional,
        "is_pair": len(order) == 2 and not form.is_thumbs,
        "words": desk_words(),
        "skip_reasons": Skip.Reason.choices,
        "flag_form": FlagForm(),
    }


def assignment_context(
    project: Project, assignment: Assignment, form: JudgmentForm
) -> dict[str, Any]:
    left = assignment.expires_at - timezone.now() if assignment.expires_at else timedelta()
    return {
        **group_context(project, assignment.group_id, assignment.shown_order, form),
        "token": assignment.token,
        "seconds_left": int(left.total_seconds()),
    }


def what_can_be_undone(request: Request, project: Project) -> dict[str, Any]:
    """The last ranking, or the skip that has led here."""
    skipped = request.GET.get("skipped", "")
    return {
        "undoable": undoable_ranking(project, request.user),
        "skipped": own_skip(project, request.user, skipped) if skipped else None,
    }


def desk_page(
    request: Request,
    project: Project,
    assignment: Assignment,
    form: JudgmentForm,
    problem: str = "",
) -> HttpResponse:
    context = {
        **assignment_context(project, assignment, form),
        **what_can_be_undone(request, project),
        "problem": problem,
        "today": ranked_today(project, request.user),
    }
    return render(request, "annotation/rank.html", context, status=409 if problem else 200)
