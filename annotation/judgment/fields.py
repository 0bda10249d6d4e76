"""How a judgment is spelled as fields of the desk's form: the one place that knows their names.

Fields that speak of one answer are numbered from 1, in the order in which this labeler is shown
the answers, so that nothing in the form tells which answer is which.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from annotation.judgment.judgment import RANKING, AnswerRating, Asked, BetterAnswer, Judgment

Content = dict[str, Any]
"""Values by the field's name, as a draft keeps them: texts, lists of texts, lists of highlights."""

TICKED = "on"  # what a browser sends of a checkbox that has no value of its own
RATED = "quality"


class AnswerFields(NamedTuple):
    """The names of the fields that speak of one answer."""

    rank: str
    quality: str
    flags: str
    highlights: str


class GroupFields(NamedTuple):
    """The names of the fields that speak of the whole group.

    `better_source` holds the number of the answer that the better one was mended from, `asked`
    what the form asked: its mode, and RATED where it asked for a quality.
    """

    comment: str = "comment"
    none_acceptable: str = "none_acceptable"
    better: str = "better"
    better_first: str = "better_first"
    better_source: str = "better_source"
    marks: str = "marks"
    asked: str = "asked"


GROUP = GroupFields()


@cache
def answer_fields(number: int) -> AnswerFields:
    return AnswerFields(
        rank=f"rank_{number}",
        quality=f"quality_{number}",
        flags=f"flags_{number}",
        highlights=f"highlights_{number}",
    )


def spell_asked(mode: str, has_quality: bool) -> str:
    return f"{mode} {RATED}" if has_quality else mode


def asked_in(content: Mapping[str, Any]) -> Asked | None:
    """Mode and quality as the form asked for them; None: the fields do not say."""
    mode, *more = str(content.get(GROUP.asked) or "").split() or [""]
    return Asked(mode=mode, quality=RATED in more) if mode else None


def content_of(judgment: Judgment, order: Sequence[int]) -> Content:
    """The judgment as fields; `order` holds the answers' positions as they are shown."""
    has_quality = any(rating.quality is not None for rating in judgment.ratings.values())
    content: Content = {
        GROUP.comment: judgment.comment,
        GROUP.marks: list(judgment.marks),
        GROUP.asked: spell_asked(judgment.mode, has_quality),
    }
    if judgment.none_acceptable:
        content[GROUP.none_acceptable] = TICKED
    for number, position in enumerate(order, start=1):
        names = answer_fields(number)
        content[names.rank] = str(judgment.ranks[position])
        rating = judgment.ratings.get(position)
        if rating is not None:
            content[names.quality] = str(rating.quality or "")
            content[names.flags] = list(rating.flags)
            content[names.highlights] = list(rating.highlights)
    if judgment.better is not None:
        source = judgment.better.source
        content[GROUP.better] = judgment.better.text
        content[GROUP.better_source] = "" if source is None else str(order.index(source) + 1)
        content[GROUP.better_first] = TICKED if judgment.better.is_first else ""
    return content


def content_to_change(judgment: Judgment, order: Sequence[int], asked: Asked) -> Content:
    """`content_of`, to be put before the labeler again: an order that follows from the ratings is
    left to follow from them, so that it changes with them."""
    content = content_of(judgment, order)
    if asked.is_order_optional and judgment.is_order_of_ratings:
        for number in range(1, len(order) + 1):
            del content[answer_fields(number).rank]
    return content


def judgment_of(content: Mapping[str, Any], order: Sequence[int]) -> Judgment:
    """The judgment that the fields spell, in the same order.

    Every answer has a rank, and each value is one that was checked: as it is spelled here, or
    turned into the number, truth or tuple that it stands for.
    """
    ranks, ratings = {}, {}
    for number, position in enumerate(order, start=1):
        names = answer_fields(number)
        ranks[position] = int(content[names.rank])
        quality = content.get(names.quality)
        rating = AnswerRating(
            quality=int(quality) if quality else None,
            flags=tuple(content.get(names.flags) or ()),
            highlights=tuple(content.get(names.highlights) or ()),
        )
        if not rating.is_empty:
            ratings[position] = rating
    return Judgment(
        ranks=ranks,
        comment=content.get(GROUP.comment) or "",
        ratings=ratings,
        marks=tuple(content.get(GROUP.marks) or ()),
        none_acceptable=bool(content.get(GROUP.none_acceptable)),
        better=_better_of(content, order),
        mode=asked.mode if (asked := asked_in(content)) else RANKING,
    )


def _better_of(content: Mapping[str, Any], order: Sequence[int]) -> BetterAnswer | None:
    text, number = content.get(GROUP.better), content.get(GROUP.better_source)
    if not text:
        return None
    source = order[int(number) - 1] if number else None
    return BetterAnswer(text, source, is_first=bool(content.get(GROUP.better_first)))


def reordered(content: Mapping[str, Any], old: Sequence[int], new: Sequence[int]) -> Content:
    """The fields of a judgment, complete or not, under the numbers of another order."""
    numbers = {number: new.index(position) + 1 for number, position in enumerate(old, start=1)}
    renamed = {
        was: becomes
        for number, now in numbers.items()
        for was, becomes in zip(answer_fields(number), answer_fields(now), strict=True)
    }
    moved = {renamed.get(name, name): value for name, value in content.items()}
    sources = {str(number): str(now) for number, now in numbers.items()}
    if moved.get(GROUP.better_source) in sources:
        moved[GROUP.better_source] = sources[moved[GROUP.better_source]]
    return moved
