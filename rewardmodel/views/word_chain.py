"""A look inside: what the versions of a policy make of the next token, step by step."""

import json
from functools import partial
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from annotation.lm.chat import Message, with_system
from annotation.models import Project
from annotation.services import word_chain
from annotation.services.asking import Answer
from annotation.views.access import project_for_admin
from annotation.views.requests import Request
from rewardmodel.asking_form import problem_of
from rewardmodel.chain_form import LONGEST_PROMPT, MOST_VERSIONS, ChainForm
from rewardmodel.selectors import champion_reward_model, policies_of
from rewardmodel.services import text_scores
from rewardmodel.views.worker import answered, refused

EXAMPLES = [
    ("台湾最高的山是哪座山", True),
    ("台湾最高的山是哪座山", False),
    ("What is the capital of France?", True),
    ("What is the largest ocean?", True),
    ("The capital of Japan is Tokyo. The capital of Italy is", False),
]
"""Each with whether it is to be answered."""
ENGLISH_EXAMPLE = 2


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
    project = project_for_admin(request.user, slug)
    form = ChainForm(project, request.POST)
    if not form.is_valid():
        return refused(problem_of(form))
    return answered(partial(_answer, project, form.cleaned_data))


def _answer(project: Project, asked: dict[str, Any], patience: float) -> Answer | None:
    versions = asked["versions"]
    if asked["way"] == "score":
        reward_model = champion_reward_model(project)
        if reward_model is None:
            return {"score": None}
        said: list[Message] = [{"role": "user", "content": asked["prompt"]}]
        messages, tokens = with_system(said, project.system_prompt), asked["tokens"]
        return text_scores.score(
            reward_model, versions[0], messages=messages, tokens=tokens, patience=patience
        )
    given = {name: asked[name] for name in ("prompt", "tokens", "is_chat")}
    given["patience"] = patience
    if asked["way"] == "sweep":
        settled = asked["settled"] or 0
        return word_chain.sweep(project, versions[0], **given, settled=settled)
    how = {name: asked[name] for name in ("temperature", "top_k", "top_p", "seed")}
    return word_chain.look(project, versions, **given, how=how)


def _words() -> dict[str, str]:
    """What the page's scripts say."""
    return {
        "goBackTo": _("Back to after {token}"),
        "nats": _("KL from the first version, in nats"),
        "drawn": _("drawn"),
        "drawnOther": _("Drawn:"),
        "others": _("{count} others"),
        "othersAll": _("all others"),
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
