"""What one labeler says of one group."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import permutations
from typing import NotRequired, TypedDict

from annotation.judgment.scores import dense_ranks, ranks_from_quality

RANKING, THUMBS = "ranking", "thumbs"


@dataclass(frozen=True)
class Asked:
    """What a project asks of a group, beside what it always does: a comment, highlighted passages
    and a better answer.

    `mode`: RANKING asks for an order, THUMBS for good (rank 1) or bad (rank 2) of each answer.
    `flags` and `marks`: the remarks on an answer and on the question that are offered.
    """

    mode: str = RANKING
    quality: bool = False
    flags: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()

    @property
    def is_order_optional(self) -> bool:
        """Scores follow from the ratings, and so does the order where none is given."""
        return self.quality and self.mode == RANKING


class Highlight(TypedDict):
    """A passage of an answer: `text[start:end]` of the stored text, in Unicode code points.

    The quote is how it was read, without what is only markup, LONGEST_QUOTE code points at most.
    `unplaced`: the quote was not found in the answer when older offsets were turned into these;
    `start` and `end` are 0 then.
    """

    start: int
    end: int
    label: str
    quote: str
    unplaced: NotRequired[bool]


LONGEST_QUOTE = 500
HIGHLIGHT_LABELS = ("error", "unsupported", "well_put")


@dataclass(frozen=True)
class AnswerRating:
    """`quality` from 1 to 7; empty when nothing was said of the answer."""

    quality: int | None = None
    flags: tuple[str, ...] = ()
    highlights: tuple[Highlight, ...] = ()

    @property
    def is_empty(self) -> bool:
        return self.quality is None and not self.flags and not self.highlights


NO_RATING = AnswerRating()


@dataclass(frozen=True)
class BetterAnswer:
    """What the labeler wrote: mended from the answer at position `source`, or from scratch."""

    text: str
    source: int | None = None
    is_first: bool = False

    def among(self, answers: Iterable[str]) -> "BetterAnswer":
        """As it stands to these answers: it is not before them when it is one of them."""
        return replace(self, is_first=self.is_first and self.text not in answers)


@dataclass(frozen=True)
class Judgment:
    """`ranks` and `ratings` by the answer's position, from 0: rank 1 is best, equal ranks tie.

    `mode` is that of the question which the ranks answer.
    """

    ranks: Mapping[int, int]
    comment: str = ""
    ratings: Mapping[int, AnswerRating] = field(default_factory=dict)
    marks: tuple[str, ...] = ()
    none_acceptable: bool = False
    better: BetterAnswer | None = None
    mode: str = RANKING

    @property
    def is_order_of_ratings(self) -> bool:
        """Whether the order is just the one that the ratings give."""
        qualities = [self.ratings.get(at, NO_RATING).quality for at in self.ranks]
        rated = [quality for quality in qualities if quality is not None]
        ranks = list(self.ranks.values())
        is_rated = len(rated) == len(ranks)
        return is_rated and dense_ranks(ranks) == dense_ranks(ranks_from_quality(rated))

    @property
    def is_led(self) -> bool:
        """Whether an answer that the labeler wrote stands before all of the group's."""
        return self.better is not None and self.better.is_first

    def normalised(self, answers: Iterable[str]) -> "Judgment":
        """As it is stored: two judgments say the same when they are equal in this form.

        `answers` are the texts of the group's answers; they are looked at only when a better one
        is to stand before them.
        """
        dense = dense_ranks(list(self.ranks.values()))
        return replace(
            self,
            ranks=dict(zip(self.ranks, dense, strict=True)),
            ratings={at: rating for at, rating in self.ratings.items() if not rating.is_empty},
            better=self.better and self.better.among(answers),
        )

    def has_unasked(self, asked: Asked) -> bool:
        """Whether it says something that is not asked any more."""
        ratings = self.ratings.values()
        flags = {flag for rating in ratings for flag in rating.flags}
        is_rated = any(rating.quality is not None for rating in ratings)
        return bool(
            (is_rated and not asked.quality)
            or flags.difference(asked.flags)
            or set(self.marks).difference(asked.marks)
        )

    def carrying(self, earlier: "Judgment", asked: Asked) -> "Judgment":
        """With what the labeler's earlier judgment says and is not asked any more.

        Qualities are carried together or not at all: an order that contradicts them replaces them.
        """
        said = {at: self.ratings.get(at, NO_RATING) for at in self.ranks}
        before = {at: earlier.ratings.get(at, NO_RATING) for at in self.ranks}
        is_rated = asked.quality or any(rating.quality for rating in said.values())
        keeps = not is_rated and not _contradicts(self.ranks, before)
        return replace(
            self,
            ratings={
                at: replace(
                    rating,
                    quality=before[at].quality if keeps else rating.quality,
                    flags=_with_unasked(rating.flags, before[at].flags, asked.flags),
                )
                for at, rating in said.items()
            },
            marks=_with_unasked(self.marks, earlier.marks, asked.marks),
        )


def _contradicts(ranks: Mapping[int, int], ratings: Mapping[int, AnswerRating]) -> bool:
    """Whether an answer is placed before one of higher quality."""
    qualities = {at: rating.quality for at, rating in ratings.items() if rating.quality is not None}
    return any(
        ranks[one] < ranks[other] and qualities[one] < qualities[other]
        for one, other in permutations(qualities, 2)
    )


def _with_unasked(
    said: tuple[str, ...], before: tuple[str, ...], asked: tuple[str, ...]
) -> tuple[str, ...]:
    return (*said, *(one for one in before if one not in asked and one not in said))
