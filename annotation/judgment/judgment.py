"""What a labeler says of one group beside the order of its answers."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NotRequired, TypedDict


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


@dataclass(frozen=True)
class BetterAnswer:
    """What the labeler wrote: mended from the answer at position `source`, or from scratch."""

    text: str
    source: int | None = None
    is_first: bool = False

    def leads(self, answers: Collection[str]) -> bool:
        """Whether it stands before these answers: one of them cannot be better than itself."""
        return self.is_first and self.text not in answers


@dataclass(frozen=True)
class Details:
    """`ratings` by the answer's position."""

    ratings: Mapping[int, AnswerRating] = field(default_factory=dict)
    marks: tuple[str, ...] = ()
    none_acceptable: bool = False
    better: BetterAnswer | None = None
