"""What the desk's scripts say, in the language of the page."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from annotation.judgment.expectation import agreement, expected_order
from annotation.judgment.judgment import THUMBS, Judgment
from annotation.templatetags.judgments import in_order
from annotation.templatetags.text import letter


def _draft_words() -> dict[str, str]:
    """What drafts.js says, wherever something is kept."""
    return {
        "timeLeft": _("{minutes} min left"),
        "timeShort": _("Less than two minutes left. Go on working and the time is extended."),
        "saved": _("Draft saved"),
        "saving": _("Saving the draft…"),
        "offline": _("No connection. Your work is kept in this browser and sent later."),
        "notSent": _("It could not be sent: no connection. Nothing is lost; submit again."),
        "loggedOut": _(
            "You were logged out, or logged in again in another window. Reload the page: nothing "
            "is lost, your work is kept in this browser."
        ),
        "serverError": _(
            "The server could not take it (error {status}). Nothing is lost: your work is kept in "
            "this browser. Reload the page, or try again later."
        ),
        "keptHere": _("Not stored yet; kept in this browser."),
    }


def write_words() -> str:
    """JSON for the page on which answers are written."""
    return json.dumps(
        {
            **_draft_words(),
            "timeOver": _(
                "The time for this question ran out. What you wrote is kept; if nobody else took "
                "the question meanwhile, you can still store it."
            ),
            "gone": _("This question has its answers meanwhile. What you wrote is kept below."),
        },
        ensure_ascii=False,
    )


def what_was_expected(expected: list[float], shown_order: list[int], judgment: Judgment) -> str:
    """A sentence about what the teacher model had made of the answers; "" where it says nothing."""
    agreed, pairs = agreement(judgment.ranks, expected) if expected else (0, 0)
    if not pairs:
        return ""
    order = expected_order(expected, shown_order)
    return ngettext(
        "The teacher model expected %(order)s: as you in %(agreed)d of %(pairs)d comparison.",
        "The teacher model expected %(order)s: as you in %(agreed)d of %(pairs)d comparisons.",
        pairs,
    ) % {"order": ", ".join(letter(n + 1) for n in order), "agreed": agreed, "pairs": pairs}


@dataclass(frozen=True)
class AnswerNames:
    """What one answer is called on the desk, in the language of the page."""

    letter: str
    answer: str
    place: str
    is_it_good: str


def answer_names(index: int) -> AnswerNames:
    """Of the answer shown as number `index`, from 1."""
    return _answer_names_in(get_language(), index)


@cache
def _answer_names_in(_language: str, index: int) -> AnswerNames:
    named = {"letter": letter(index)}
    return AnswerNames(
        letter=letter(index),
        answer=_("Answer %(letter)s") % named,
        place=_("Place of answer %(letter)s") % named,
        is_it_good=_("Is answer %(letter)s good or bad?") % named,
    )


def said_before(mode: str, ranks: Mapping[int, int]) -> str:
    """What was decided in another mode, by the answers' numbers: "B > A = C" or "A good, B bad"."""
    if mode != THUMBS:
        return in_order({letter(number): rank for number, rank in ranks.items()})
    verdicts = {True: _("%(letter)s good"), False: _("%(letter)s bad")}
    return _(", ").join(
        verdicts[rank == 1] % {"letter": letter(number)} for number, rank in ranks.items()
    )


def desk_words() -> str:
    """JSON for a data attribute; {answer}, {place} and so on are filled in by the script."""
    return _desk_words_in(get_language())


@cache
def _desk_words_in(_language: str) -> str:
    return json.dumps(
        {
            **_draft_words(),
            "missing": _("Still without a place: {answers}"),
            "missingThumbs": _("Not judged yet: {answers}"),
            "missingQuality": _("Quality not rated yet: {answers}"),
            "missingPair": _("Say which of the two is better."),
            "missingDirect": _(
                "Which is better? One press judges and submits. A mistake can be undone."
            ),
            "completePair": _("Judged. Submit when you are sure."),
            "complete": _("All answers are placed. Submit when you are sure."),
            "completeRated": _(
                "All answers are rated; their order follows from that. Submit when you are sure."
            ),
            "completeThumbs": _("All answers are judged. Submit when you are sure."),
            "completeChange": _("Complete. Store the change when you are sure."),
            "answer": _("Answer {answer}"),
            "notPlaced": _("Not placed yet"),
            "place": _("Place {place} of {places}"),
            "shared": _("shared"),
            "sharedWith": _("shared with {answers}"),
            "placeFirst": _("Put {answer} before place {place}"),
            "placeLast": _("Put {answer} last"),
            "tieHere": _("Let {answer} share place {place}"),
            "takenOut": _("{answer} has no place now."),
            "moved": _("{answer}: place {place} of {places}."),
            "movedShared": _("{answer}: place {place} of {places}, shared with {answers}."),
            "chosen": _("{answer} is chosen."),
            "undone": _("The last step is undone."),
            "nothingToUndo": _("There is no step to undo."),
            "judgedGood": _("{answer}: good."),
            "judgedBad": _("{answer}: bad."),
            "timeOver": _(
                "The time for this group ran out. What you chose is kept; if nobody else took the "
                "group meanwhile, you can still submit."
            ),
            "gone": _(
                "This group is no longer yours: its time ran out, you gave it back in another "
                "window, or it was withdrawn. What you chose is kept and comes back if the group "
                "does."
            ),
            "elsewhere": _(
                "This group is no longer yours: you submitted it or opened it again in another "
                "window, or it was withdrawn. What you choose here is not kept."
            ),
            "outdated": _(
                "What this project asks has changed since this page was opened. Reload the page: "
                "what you said is kept as far as it fits."
            ),
            "stored": _("Stored, thank you."),
            "next": _("The next question is shown."),
            "turnKeysOn": _("Turn keys on"),
            "turnKeysOff": _("Turn keys off"),
            "highlightError": _("Error"),
            "highlightUnsupported": _("Unsupported"),
            "highlightWellPut": _("Well put"),
            "replaceBetter": _("Replace what you wrote?"),
            "highlightUnplaced": _("(its place is not known any more)"),
            "removeHighlight": _("Remove the highlight “{quote}”"),
        },
        ensure_ascii=False,
    )
