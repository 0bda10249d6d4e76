"""Which names people take for one another."""

import unicodedata
from functools import cache


def lookalikes(name: str) -> set[str]:
    """Two names that have one of these in common read alike, in their own case or in any.

    The skeleton of Unicode's Technical Standard 39, section 4, of the normalized name.
    """
    plain = unicodedata.normalize("NFKC", name)
    return {_skeleton(plain), _skeleton(plain.casefold())}


def _skeleton(text: str) -> str:
    letters = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFD", "".join(map(_prototype, letters))).casefold()


@cache
def _prototype(letter: str) -> str:
    """What Unicode's table of confusable letters has for all that look like it."""
    # A megabyte, of which only who makes accounts has need.
    from confusable_homoglyphs.confusables import confusables_data

    like = [each["c"] for each in confusables_data.get(letter, [])]
    if len(like) != 1:
        return letter
    [other] = like
    is_prototype = len(confusables_data.get(other, [])) > 1
    return str(other) if is_prototype else min(letter, other)
