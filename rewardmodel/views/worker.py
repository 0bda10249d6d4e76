"""What a page is told that asks the worker at once: its answer, or why there is none yet."""

from collections.abc import Callable
from typing import Any

from django.http import JsonResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotation.services.asking import AWAY, PATIENCE, Answer
from config.parts import missing_parts
from rewardmodel.models import TrainingRun
from rewardmodel.pace import minutes_left
from rewardmodel.selectors import training_now

IMPATIENCE = 0.2  # seconds, where an answer is hardly to be expected
AGAIN, AGAIN_LATER = 1, 5  # seconds until the page asks once more


def answered(ask: Callable[[float], Answer | None], again: float = AGAIN) -> JsonResponse:
    """What `ask` gets, given its patience in seconds; or why there is no answer yet and in how many
    seconds to ask again; or, with 409, what is wrong."""
    run = training_now()
    try:
        answer = ask(IMPATIENCE if run else PATIENCE)
    except AWAY:
        waiting = _("Redis does not answer, so the worker cannot be asked.")
        return JsonResponse({"waiting": waiting, "again": AGAIN_LATER})
    if answer is None:
        return JsonResponse(_why_not(run, again))
    return JsonResponse(answer, status=409 if "problem" in answer else 200)


def refused(problem: str) -> JsonResponse:
    return JsonResponse({"problem": problem}, status=409)


def _why_not(run: TrainingRun | None, again: float) -> dict[str, Any]:
    if "accelerator" in missing_parts():
        said = _("The worker that writes answers does not run. Its log, accelerator.log, says why.")
        return {"waiting": said, "again": AGAIN_LATER}
    if run is None:
        said = _("The worker is loading the model, or finishing something. One moment.")
        return {"waiting": said, "again": again}
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
