"""Numbers as people read them; a dash for what is not known."""

from typing import Any

from django import template
from django.utils.formats import number_format

register = template.Library()

UNKNOWN = "–"


@register.filter
def figure(value: Any) -> str:
    """Three significant digits for a float that needs them."""
    if value is None or value == "":
        return UNKNOWN
    if not isinstance(value, float):
        return str(value)
    if value != 0 and not 0.001 <= abs(value) < 100_000:
        return f"{value:.2e}"
    size = abs(value)
    decimals = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return str(number_format(round(value, decimals), decimals))  # which itself only cuts


@register.filter
def percent(share: float | str | None) -> str:
    """0.726 is 73 %; a template passes "" for what is missing."""
    return UNKNOWN if share is None or isinstance(share, str) else f"{100 * share:.0f} %"
