"""One field with the order of all answers: B>A=C, or a list, the best first."""

import re
from collections.abc import Iterator, Sequence

from annotation.exchange.shapes import fields
from annotation.exchange.shapes.winner import place_of
from annotation.exchange.wording import Unreadable, gettext_noop

FROM_0_OR_1 = gettext_noop(
    "“{field}” is “{value}”, and nobody can tell whether 0 or 1 is the first answer: say whether "
    "answers are counted from 0 or from 1, or write one of: {known}."
)
KNOWN = "B>A=C"


def word_of(value: object) -> str:
    """As it was meant: programs that fill a column of numbers with empty cells write 1 as 1.0."""
    return re.sub(r"^(\d+)\.0$", r"\1", "" if value is None else str(value).strip())


def words_of(value: object) -> list[list[str]]:
    """The answers, the best first, those that are tied together; [] where nothing is said."""
    found = fields.cell_of(value)
    if found in (None, "", []):
        return []
    if isinstance(found, list):
        return [[word_of(one)] for one in found]
    return [[word_of(one) for one in tied.split("=")] for tied in re.split(r">+|,", str(found))]


def numbers_in(value: object) -> list[float]:
    """Of a list, or of a text with commas; none where it holds something else."""
    found = fields.cell_of(value)
    parts = found.split(",") if isinstance(found, str) else found
    try:
        return [float(part) for part in parts] if isinstance(parts, list) else []
    except (TypeError, ValueError):
        return []


def ranks_by_order(
    value: object,
    field: str,
    names: Sequence[str],
    texts: Sequence[object],
    counts_from: int | None,
    is_numbered: bool,
) -> tuple[int | None, ...]:
    """Of each answer, None of those that are not in it; a whole order in numbers tells by itself
    from which they are counted. Raises Unreadable."""
    words = words_of(value)
    numbers = sorted(int(word[:9]) for tied in words for word in tied if word.isdecimal())
    if counts_from is None and numbers:
        for first in (0, 1):
            if numbers == list(range(first, first + len(names))):
                counts_from = first
        if counts_from is None and not is_numbered:
            raise Unreadable(FROM_0_OR_1, field=field, value=str(value)[:40], known=KNOWN)
    ranks: dict[int, int] = {}
    for rank, word in _ranked(words):
        place = place_of(word, names, texts, counts_from)
        if place is None or place in ranks:
            raise Unreadable(fields.UNKNOWN_VALUE, field=field, value=str(value)[:40], known=KNOWN)
        ranks[place] = rank
    return tuple(ranks.get(at) for at in range(len(names)))


def _ranked(words: list[list[str]]) -> Iterator[tuple[int, str]]:
    for rank, tied in enumerate(words, start=1):
        for word in tied:
            yield rank, word
