"""A look inside: what the versions of a policy make of the next token, step by step."""

import json
from typing import Any

from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from annotation.models import Project
from annotation.services import word_chain
from annotation.services.asking import AWAY, PATIENCE, Answer
from annotation.views.access import project_for_admin
from annotation.views.requests import Request
from config.parts import missing_parts
from rewardmodel.chain_form import LONGEST_PROMPT, MOST_VERSIONS, ChainForm
from rewardmodel.models import TrainingRun
from rewardmodel.pace import minutes_left
from rewardmodel.selectors import (
    champion_reward_model,
    policies_of,
    training_now,
)
from rewardmodel.services import text_scores

EXAMPLES = [
    ("台湾最高的山是哪座山", True),
    ("台湾最高的山是哪座山", False),
    ("What is the capital of France?", True),
    ("What is the largest ocean?", True),
    ("The capital of Japan is Tokyo. The capital of Italy is", False),
]
"""Each with whether it is to be answered."""
ENGLISH_EXAMPLE = 2
IMPATIENCE = 0.2  # seconds, where an answer is hardly to be expected
AGAIN, AGAIN_LATER = 1, 5  # seconds until the page asks once more


def page(request: Request, slug: str) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    is_chinese = (get_language() or "").startswith("zh")
    context = {
        "project": project,
        "section": "chain",
        "versions": policies_of(project),
        "places": range(1, MOST_VERSIONS + 1),
        "reward_model": champion_reward_model(project),
        "examples": EXAMPLES,
        "first_example": EXAMPLES[0 if is_chinese else ENGLISH_EXAMPLE][0],
        "longest": LONGEST_PROMPT,
        "words": json.dumps(_words(), ensure_ascii=False),
    }
    return render(request, "rewardmodel/word_chain.html", context)


@require_POST
def ask(request: Request, slug: str) -> HttpResponse:
    """The worker's answer; or why there is none yet and in how many seconds to ask again; or, with
    409, what is wrong."""
    project = project_for_admin(request.user, slug)
    form = ChainForm(project, request.POST)
    if not form.is_valid():
        return JsonResponse({"problem": form.problem()}, status=409)
    run = training_now()
    try:
        answer = _answer(project, form.cleaned_data, IMPATIENCE if run else PATIENCE)
    except AWAY:
        waiting = _("Redis does not answer, so the worker cannot be asked.")
        return JsonResponse({"waiting": waiting, "again": AGAIN_LATER})
    if answer is None:
        return JsonResponse(_why_not(run))
    return JsonResponse(answer, status=409 if "problem" in answer else 200)


def _answer(project: Project, asked: dict[str, Any], patience: float) -> Answer | None:
    versions, given = asked["versions"], {name: asked[name] for name in ("prompt", "tokens")}
    if asked["way"] == "score":
        reward_model = champion_reward_model(project)
        if reward_model is None:
            return {"score": None}
        return text_scores.score(project, reward_model, versions[0], **given, patience=patience)
    given |= {"is_chat": asked["is_chat"], "patience": patience}
    if asked["way"] == "sweep":
        settled = asked["settled"] or 0
        return word_chain.sweep(project, versions[0], **given, settled=settled)
    how = {name: asked[name] for name in ("temperature", "top_k", "top_p", "seed")}
    return word_chain.look(project, versions, **given, how=how)


def _why_not(run: TrainingRun | None) -> dict[str, Any]:
    if "accelerator" in missing_parts():
        said = _("The worker that writes answers does not run. Its log, accelerator.log, says why.")
        return {"waiting": said, "again": AGAIN_LATER}
    if run is None:
        said = _("The worker is loading the model, or finishing something. One moment.")
        return {"waiting": said, "again": AGAIN}
    minutes = minutes_left(run)
    if minutes is None:
        said = _("A training has the worker to itself. It answers again when that has ended.")
    else:
        said = ngettext(
            "A training has the worker to itself, for about %(minutes)d more minute.",
            "A training has the worker to itself, for about %(minutes)d more minutes.",
            minutes,
        ) % {"minutes": minutes}
    return {"waiting": said, "again": AGAIN_LATER}


def _words() -> dict[str, str]:
    """What the page's scripts say."""
    return {
        "goBackTo": _("Back to after {token}"),
        "nats": _("KL from the first version, in nats"),
        "drawn": _("drawn"),
        "drawnOther": _("Drawn:"),
        "others": _("{count} others"),
        "divergence": _("KL {now} nats here, {sum} in all"),
        "divergenceSum": _("KL {sum} nats in all"),
        "score": _("reward model: {score}"),
        "scoreMeans": _(
            "Of the text so far, in deviations: 0 is a middling answer, +1 a good one."
        ),
        "appended": _("Appended: {token}"),
        "ended": _("The end token: the model says no more."),
        "together": _("All versions have written the same so far."),
        "partHere": _("Here the versions part."),
        "end": _("end"),
        "here": _("here"),
        "play": _("Play"),
        "pause": _("Pause"),
        "oneAtATime": _("One token at a time"),
        "allAtOnce": _("All at once"),
        "passes": _("passes: {count}"),
        "sweep": _("pass {number}: {settled} settled"),
        "sameText": _("Both wrote the same text: {one} passes one at a time, {all} all at once."),
        "otherText": _("The two texts differ. This should not be: please report it."),
        "offline": _("No connection to the server. It is tried again."),
        "loggedOut": _("You were logged out. Reload the page."),
        "serverError": _("The server could not take it (error {status}). Reload the page."),
    }
