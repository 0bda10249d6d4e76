"""The playground: an admin talks to versions, and keeps of it what is good."""

import json
from functools import partial
from typing import Any

from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from annotation.lm.chat import with_system
from annotation.models import Project
from annotation.services import playground
from annotation.services.asking import Answer
from annotation.services.playground import Exchange, PlaygroundRefused
from annotation.templatetags.text import direction, markdown
from annotation.views.access import project_for_admin
from annotation.views.requests import Request
from rewardmodel.asking_form import problem_of
from rewardmodel.playground_form import MOST_ANSWERS, KeepForm, PlaygroundForm, initial_of
from rewardmodel.selectors import champion_reward_model, policies_of
from rewardmodel.services import text_scores
from rewardmodel.views.worker import answered, refused

MOMENT = 0.5  # seconds that a request waits for a moment of writing, which takes half as long
AGAIN = 0.2  # seconds until the page asks once more


def page(request: Request, slug: str) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    context = {
        "project": project,
        "section": "playground",
        "versions": policies_of(project),
        "reward_model": champion_reward_model(project),
        "initial": initial_of(project),
        "answers": range(1, MOST_ANSWERS + 1),
        "words": json.dumps(_words(), ensure_ascii=False),
    }
    return render(request, "rewardmodel/playground.html", context)


@require_POST
def ask(request: Request, slug: str) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    form = PlaygroundForm(project, request.POST)
    if not form.is_valid():
        return refused(problem_of(form))
    asked, exchange = form.cleaned_data, form.exchange
    if asked["way"] == "reveal":
        return JsonResponse({"versions": [version.number for version in exchange.order]})
    if asked["way"] == "score":
        return answered(partial(_score, project, exchange, asked["place"], asked["tokens"]))
    try:
        return answered(partial(_write, exchange, asked), AGAIN)
    except PlaygroundRefused as refusal:
        return refused(str(refusal))


def _write(exchange: Exchange, asked: dict[str, Any], patience: float) -> Answer | None:
    """A finished answer comes as labelers see it, too."""
    place, tokens, proof = (asked[name] for name in ("place", "tokens", "proof"))
    said = playground.write(exchange, place, tokens, proof, min(MOMENT, patience))
    if said is None or "record" not in said:
        return said
    return {**said, "html": markdown(said["text"]), "dir": direction(said["text"])}


def _score(
    project: Project, exchange: Exchange, place: int, tokens: list[int], patience: float
) -> Answer | None:
    reward_model = champion_reward_model(project)
    if reward_model is None:
        return {"score": None}
    messages = with_system(exchange.messages, exchange.system_prompt)
    version = exchange.version(place)
    return text_scores.score(
        reward_model, version, messages=messages, tokens=tokens, patience=patience
    )


@require_POST
def keep(request: Request, slug: str) -> HttpResponse:
    """As a prompt, a demonstration, or a group to be ranked: what became of it, and where it is."""
    project = project_for_admin(request.user, slug)
    form = KeepForm(request.POST)
    if not form.is_valid():
        return refused(problem_of(form))
    try:
        said, address = _kept(request, project, form.cleaned_data)
    except PlaygroundRefused as refusal:
        return refused(str(refusal))
    return JsonResponse({"said": said, "address": address})


def _kept(request: Request, project: Project, asked: dict[str, Any]) -> tuple[str, str]:
    turns = asked["messages"], asked["system_prompt"]
    if asked["kind"] == "group":
        records = request.POST.getlist("record")
        group, is_new = playground.keep_group(project, request.user, records)
        said = _("People rank these answers now.") if is_new else _("It is there already.")
        return said, reverse("group", args=[project.slug, group.pk])
    if asked["kind"] == "prompt":
        prompt, is_new = playground.keep_prompt(project, *turns)
        said = _("The prompt is added.") if is_new else _("The project has this prompt already.")
    else:
        written, is_new = playground.keep_demonstration(
            project, request.user, *turns, asked["text"]
        )
        prompt = written.prompt
        said = _("The demonstration is stored.") if is_new else _("It is there already.")
    return said, reverse("prompt", args=[project.slug, prompt.pk])


def _words() -> dict[str, str]:
    """What the page's scripts say."""
    return {
        "you": _("You"),
        "answer": _("Answer {name}"),
        "writing": _("is writing"),
        "stop": _("ended by itself"),
        "length": _("cut at the longest length"),
        "stopped": _("stopped"),
        "tokens": _("tokens: {count}"),
        "seed": _("seed {seed}"),
        "score": _("reward {score}"),
        "best": _("best"),
        "scoring": _("is asked for its score"),
        "open": _("Open it"),
        "offline": _("No connection to the server. It is tried again."),
        "notKept": _("No connection to the server. Try it again."),
        "loggedOut": _("You were logged out. Reload the page."),
        "serverError": _("The server could not take it (error {status}). Reload the page."),
    }
