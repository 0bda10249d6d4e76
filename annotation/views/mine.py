"""A labeler's own rankings: looking back, and changing one's mind."""

import uuid
from dataclasses import replace

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from annotation.forms import JudgmentForm
from annotation.judgment.fields import GROUP, content_to_change
from annotation.selectors.desks import kept_drafts, own_rankings, progress_of, rankings_by
from annotation.selectors.pages import page_of
from annotation.selectors.stored_judgments import stored_judgment
from annotation.services.rankings import RankingRefused
from annotation.services.revisions import revise_ranking
from annotation.views.access import project_for_member
from annotation.views.desk import group_context, token_of
from annotation.views.requests import Request


def mine(request: Request, slug: str) -> HttpResponse:
    project = project_for_member(request.user, slug)
    found = own_rankings(project, request.user)
    context = {
        "project": project,
        "section": "mine",
        "page": page_of(found, request.GET.get("before", "")),
        "progress": progress_of(project, request.user),
        "drafts": [
            (draft, draft.content.get(GROUP.comment))
            for draft in kept_drafts(project, request.user)[:20]
        ],
    }
    return render(request, "annotation/mine.html", context)


def revise(request: Request, slug: str, pk: int) -> HttpResponse:
    project = project_for_member(request.user, slug)
    # Sent twice, the second time finds a ranking that the first one replaced.
    is_sent = request.method == "POST"
    found = rankings_by(project, request.user) if is_sent else own_rankings(project, request.user)
    ranking = get_object_or_404(found, pk=pk)
    order, problem = ranking.shown_order, ""
    key = token_of(request) if is_sent else uuid.uuid4()
    stored = stored_judgment(ranking)
    # An order is changed as an order and a verdict as a verdict, whatever is asked of new groups.
    asked = replace(project.asked, mode=ranking.mode)
    content = request.POST if is_sent else content_to_change(stored, order, asked)
    form = JudgmentForm(asked, len(order), content)
    if is_sent:
        try:
            if not form.is_valid():
                raise RankingRefused(form.problem)
            revise_ranking(request.user, pk, form.judgment(order), key=key)
        except RankingRefused as refusal:
            problem = str(refusal)
        else:
            messages.success(request, _("Stored as a new revision; the old one is kept."))
            return redirect("mine", slug)
    context = {
        **group_context(project, ranking.group_id, order, form),
        "token": key,
        "section": "mine",
        "ranking": ranking,
        "has_unasked": stored.has_unasked(asked),
        "problem": problem,
    }
    return render(request, "annotation/revise.html", context, status=409 if problem else 200)
