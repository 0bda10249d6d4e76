"""What became of a run or a version, in the language of the page."""

from collections.abc import Mapping
from typing import Any

from django import template
from django.utils.translation import gettext, pgettext

from rewardmodel.learning.core.gate import from_json, word
from rewardmodel.learning.core.outcome import Outcome, outcome_of

register = template.Library()


@register.filter
def worded(stored: str | Mapping[str, Any] | None) -> str:
    """The sentence of a stored verdict; free text as it is; "" where nothing was said."""
    return word(from_json(stored), gettext) if stored else ""


@register.filter
def outcome(stored: str | Mapping[str, Any] | None) -> str:
    """ "passed", "failed" or "undecided"; "" where no gate decided."""
    return outcome_of(from_json(stored)) or "" if stored else ""


@register.filter
def outcome_name(outcome: str) -> str:
    names = {
        Outcome.PASSED: pgettext("gate", "passed"),
        Outcome.FAILED: pgettext("gate", "failed"),
        Outcome.UNDECIDED: pgettext("gate", "not decided yet"),
    }
    return names[Outcome(outcome)]
