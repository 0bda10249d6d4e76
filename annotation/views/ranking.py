"""The desk: a labeler gets a group, judges its answers, gets the next."""

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import HttpResponseClientRefresh

from annotation.exchange.prompts import MOST_ANSWERS
from annotation.forms import FlagForm, JudgmentForm, SkipForm
from annotation.models import Assignment, Project
from annotation.selectors.assignments import assignment_under, held_assignments
from annotation.selectors.demonstrations import prompts_to_answer
from annotation.selectors.desks import answers_coming
from annotation.selectors.groups import expected_scores
from annotation.services import assignments
from annotation.services.drafts import draft_for, save_draft
from annotation.services.flags import flag_prompt
from annotation.services.rankings import LeaseGone, RankingRefused, submit_and_go_on
from annotation.services.revisions import undo_last
from annotation.views.access import project_for_member
from annotation.views.desk import assignment_context, desk_page, token_of, what_can_be_undone
from annotation.views.requests import Request, is_script, posted_number
from annotation.views.words import what_was_expected


def rank(request: Request, slug: str) -> HttpResponse:
    project = project_for_member(request.user, slug)
    if request.method == "POST":
        return _submit(request, project)
    assignment = assignments.take_assignment(project, request.user)
    if assignment is None:
        return _no_work(request, project)
    if request.htmx:
        return HttpResponseClientRefresh()
    return desk_page(request, project, assignment, _form_of(project, assignment))


def _no_work(request: Request, project: Project) -> HttpResponse:
    context: dict[str, object] = {
        "project": project,
        "section": "rank",
        "coming": answers_coming(project),
        "has_writing": prompts_to_answer(project, request.user).exists(),
    }
    if request.htmx:
        return render(request, "annotation/_no_work.html", context)
    context.update(what_can_be_undone(request, project))
    return render(request, "annotation/no_work.html", context)


def _form_of(project: Project, assignment: Assignment) -> JudgmentForm:
    """The assignment's form with the labeler's draft in it, if there is one.

    An assignment that was leased in this very request knows whether there is.
    """
    draft = draft_for(assignment) if getattr(assignment, "has_draft", True) else None
    return JudgmentForm(project.asked, len(assignment.shown_order), draft)


@require_GET
def ahead(request: Request, slug: str) -> HttpResponse:
    """The desk of the group after the present one, to be shown as soon as this one is submitted."""
    project = project_for_member(request.user, slug)
    assignment = assignments.take_ahead(project, request.user)
    if assignment is None:
        return HttpResponse(status=204)
    return HttpResponse(_desk_of(request, project, assignment))


def _desk_of(request: Request, project: Project, assignment: Assignment) -> str:
    context = assignment_context(project, assignment, _form_of(project, assignment))
    return render_to_string("annotation/_desk.html", context, request)


def _submit(request: Request, project: Project) -> HttpResponse:
    """Stores the judgment; a script is told of the next group and gets the desk of the one after.

    So a label takes one request: what comes next was sent with the answer before.
    """
    token = token_of(request)
    held = {
        assignment.token: assignment for assignment in held_assignments(request.user.pk, project.pk)
    }
    assignment = held.pop(token, None) or assignment_under(request.user, token)
    order = assignment.shown_order if assignment else []
    form = JudgmentForm(project.asked, len(order), request.POST)
    try:
        if not form.is_valid():
            raise (RankingRefused if order else LeaseGone)(form.problem)
        judgment = form.judgment(order)
        now, after = submit_and_go_on(
            project,
            request.user,
            judgment,
            token=token,
            assignment=assignment,
            others=list(held.values()),
        )
    except RankingRefused as refusal:
        return _refused(request, project, form, refusal)
    expected = ""
    if assignment and project.shows_expectation:
        scores = expected_scores(assignment.group_id)
        expected = what_was_expected(scores, order, judgment)
    if not is_script(request):
        messages.success(request, " ".join([_("Stored, thank you."), expected]).strip())
        return HttpResponseRedirect(request.path)
    ahead = _desk_of(request, project, after) if after else None
    return JsonResponse({"next": now.token if now else None, "ahead": ahead, "expected": expected})


def _refused(
    request: Request, project: Project, form: JudgmentForm, refusal: RankingRefused
) -> HttpResponse:
    """The same group with what was said; another one when the lease went to somebody else."""
    token = token_of(request)
    is_kept = save_draft(request.user, token, _sent(request, project).content)
    is_gone = isinstance(refusal, LeaseGone)
    problem = str(refusal)
    if is_gone and is_kept:
        problem = " ".join([problem, _("What you chose is kept and comes back if the group does.")])
    if is_script(request):
        if form.is_outdated:
            problem = " ".join([problem, _("Reload the page.")])
        return JsonResponse({"problem": problem, "gone": is_gone}, status=409)
    assignment = assignments.take_assignment(project, request.user)
    if assignment is None or assignment.token != token:
        messages.warning(request, problem)
        return HttpResponseRedirect(request.path)
    form = JudgmentForm(project.asked, len(assignment.shown_order), request.POST)
    return desk_page(request, project, assignment, form, problem)


@require_POST
def draft(request: Request, slug: str) -> HttpResponse:
    """Keeps what was said so far and renews the lease; says how long it lasts.

    Where nothing was said since, only the lease is renewed: another window may have said more.
    """
    project = project_for_member(request.user, slug)
    is_kept = "renew" in request.POST or _keep(request, project)
    until = assignments.renew_lease(project, request.user, token_of(request))
    left = int((until - timezone.now()).total_seconds()) if until else None
    told = {"outdated": True} if _sent(request, project).is_outdated else {}
    return JsonResponse({"kept": is_kept, "seconds_left": left, **told})


def _sent(request: Request, project: Project) -> JudgmentForm:
    """What was sent of a group, of which not even the number of answers need be known."""
    return JudgmentForm(project.asked, MOST_ANSWERS, request.POST)


def _keep(request: Request, project: Project) -> bool:
    return save_draft(request.user, token_of(request), _sent(request, project).content)


@require_POST
def give_back(request: Request, slug: str) -> HttpResponse:
    project = project_for_member(request.user, slug)
    _keep(request, project)
    assignments.give_back(project, request.user)
    messages.info(request, _("You gave the group back. Somebody else may rank it now."))
    return redirect("home")


@require_POST
def skip(request: Request, slug: str) -> HttpResponse:
    project = project_for_member(request.user, slug)
    _keep(request, project)
    form = SkipForm(request.POST)
    if not form.is_valid():
        return _unfinished(slug, "skip")
    skip = assignments.skip_group(request.user, token_of(request), form.cleaned_data["reason"])
    if skip is None:
        return redirect("rank", slug)
    return redirect(f"{reverse('rank', args=[slug])}?skipped={skip.pk}")


def _unfinished(slug: str, panel: str) -> HttpResponse:
    """The desk with the panel open that was sent half filled in: it says what is missing."""
    return redirect(f"{reverse('rank', args=[slug])}?open={panel}#{panel}")


@require_POST
def flag(request: Request, slug: str) -> HttpResponse:
    """Tells the admins about the prompt; the work goes on where it was."""
    project = project_for_member(request.user, slug)
    _keep(request, project)
    form = FlagForm(request.POST)
    if not form.is_valid():
        return _unfinished(slug, "flag")
    if flag_prompt(request.user, token_of(request), form.cleaned_data["flag_text"]):
        messages.success(request, _("The admins see it now. You can go on, or skip this group."))
    return redirect("rank", slug)


@require_POST
def undo(request: Request, slug: str) -> HttpResponse:
    project = project_for_member(request.user, slug)
    if skip := posted_number(request, "skip"):
        return _undo_skip(request, project, skip)
    try:
        earlier = undo_last(project, request.user, token_of(request, "ranking"))
    except RankingRefused as refusal:
        messages.warning(request, str(refusal))
        return redirect("rank", slug)
    if earlier is None:
        messages.info(request, _("Undone. Your ranking is open again."))
    else:
        messages.info(request, _("Undone. Your ranking holds again as it was before the change."))
    return redirect(f"{reverse('rank', args=[slug])}?undone")


def _undo_skip(request: Request, project: Project, skip: int) -> HttpResponse:
    if assignments.undo_skip(project, request.user, skip):
        messages.info(request, _("The group that you skipped is yours again."))
    else:
        messages.info(request, _("Undone, but the group is taken by now, or it was withdrawn."))
    return redirect("rank", project.slug)
