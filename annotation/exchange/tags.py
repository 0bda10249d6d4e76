"""Words by which prompts are found again, such as `easy` or `客服`: a small set for each prompt.

They are stored as one text with a blank before and behind each, so that any database finds one.
"""

import re
from collections.abc import Iterable

from annotation.exchange.wording import Unreadable, gettext_noop

MOST_TAGS, LONGEST_TAG = 20, 50
_COMMA = re.compile(r"[,，、;；]")

NO_TAGS = gettext_noop("“tags” is neither a text nor a list of texts.")
LONG_TAG = gettext_noop("A tag has at most {characters} characters.")
MANY_TAGS = gettext_noop("A prompt has at most {most} tags.")


def tags_of(value: object) -> tuple[str, ...]:
    """In order and once each. A text is parted at its commas, or else at its blanks, one in a list
    at its commas; blanks within a tag become dashes. Raises Unreadable."""
    if value is None:
        return ()
    if isinstance(value, str):
        value = [value] if _COMMA.search(value) else value.split()
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise Unreadable(NO_TAGS)
    parts = (part for each in value for part in _COMMA.split(each))
    found = {_spelled(part) for part in parts} - {""}
    if any(len(tag) > LONGEST_TAG for tag in found):
        raise Unreadable(LONG_TAG, characters=LONGEST_TAG)
    if len(found) > MOST_TAGS:
        raise Unreadable(MANY_TAGS, most=MOST_TAGS)
    return tuple(sorted(found))


def stored(tags: Iterable[str]) -> str:
    words = " ".join(sorted(tags))
    return f" {words} " if words else ""


def holding(tag: str) -> str:
    """What the stored text of a prompt with this tag contains."""
    return f" {_spelled(tag)} "


def _spelled(tag: str) -> str:
    return "-".join(tag.split()).lower().replace("\0", "")
