"""What one labeler says of one group."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NotRequired, TypedDict

from annotation.judgment.scores import dense_ranks


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
    """`ranks` and `ratings` by the answer's position, from 0: rank 1 is best, equal ranks tie."""

    ranks: Mapping[int, int]
    comment: str = ""
    ratings: Mapping[int, AnswerRating] = field(default_factory=dict)
    marks: tuple[str, ...] = ()
    none_acceptable: bool = False
    better: BetterAnswer | None = None

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
