"""What became of a run or a version, in the language of the page."""

from collections.abc import Mapping
from typing import Any

from django import template
from django.utils.translation import gettext

from rewardmodel.learning.core.gate import from_json, word

register = template.Library()


@register.filter
def worded(stored: str | Mapping[str, Any] | None) -> str:
    """The sentence of a stored verdict; free text as it is; "" where nothing was said."""
    return word(from_json(stored), gettext) if stored else ""
