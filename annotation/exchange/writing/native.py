"""The native row of a ranked group: all that is known of it, and enough to train on as it is.

docs/formats.md describes it field by field. A judgment written with `ranking_row` and read with
`judgment_of` is the same judgment.
"""

from collections.abc import Mapping
from typing import Any

from annotation.judgment.judgment import (
    NO_RATING,
    AnswerRating,
    BetterAnswer,
    Judgment,
)

SCHEMA = "laoshi.groups/1"

Row = Mapping[str, Any]


def judgment_row(judgment: Judgment) -> dict[str, Any]:
    """Lists are in the order of the answers."""
    positions = sorted(judgment.ranks)
    ratings = [judgment.ratings.get(at, NO_RATING) for at in positions]
    better = judgment.better
    return {
        "mode": judgment.mode,
        "ranks": [judgment.ranks[at] for at in positions],
        "ratings": [rating.quality for rating in ratings],
        "flags": [list(rating.flags) for rating in ratings],
        "highlights": [list(rating.highlights) for rating in ratings],
        "marks": list(judgment.marks),
        "none_acceptable": judgment.none_acceptable,
        "comment": judgment.comment,
        "better": better
        and {"text": better.text, "source": better.source, "is_first": better.is_first},
    }


def judgment_of(row: Row) -> Judgment:
    """What `judgment_row` was made from."""
    ratings = zip(row["ratings"], row["flags"], row["highlights"], strict=True)
    said = {
        at: AnswerRating(quality, tuple(flags), tuple(highlights))
        for at, (quality, flags, highlights) in enumerate(ratings)
    }
    better = row["better"]
    return Judgment(
        ranks=dict(enumerate(row["ranks"])),
        comment=row["comment"],
        ratings={at: rating for at, rating in said.items() if not rating.is_empty},
        marks=tuple(row["marks"]),
        none_acceptable=row["none_acceptable"],
        better=better and BetterAnswer(better["text"], better["source"], better["is_first"]),
        mode=row["mode"],
    )
