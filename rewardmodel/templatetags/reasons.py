"""What became of a run, in the language of the page."""

from django import template
from django.utils.translation import gettext

from rewardmodel.learning.core import gate as reasons

register = template.Library()


@register.filter
def in_this_language(sentence: str) -> str:
    """A stored English sentence, translated where its template is known."""
    found = reasons.read(sentence)
    if found is None:
        return sentence
    reason, values = found
    return gettext(reason) % {name: in_this_language(value) for name, value in values.items()}
