"""A known shape of rows: how it is recognised, what its fields mean, how a row is read."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from annotation.exchange.shapes.item import Item
from annotation.exchange.wording import gettext_noop

Object = Mapping[str, Any]

PROMPT = gettext_noop("the question")
CONVERSATION = gettext_noop("the conversation")
CONVERSATION_AND_ANSWER = gettext_noop("the conversation; its last answer is to be learned")
SYSTEM = gettext_noop("system message")
BETTER = gettext_noop("the better answer")
WORSE = gettext_noop("the worse answer")
BETTER_AND_WORSE = gettext_noop("the better answer and the worse one")
ANSWER = gettext_noop("an answer")
ANSWERS = gettext_noop("the answers")
DEMONSTRATION = gettext_noop("the answer to be learned")
VERDICT = gettext_noop("which answer is better")
RANKS = gettext_noop("the order of the answers")
JUDGMENTS = gettext_noop("what labelers said")
LABELER = gettext_noop("who judged; kept as a pseudonym")
AUTHOR = gettext_noop("the model that answered")
GRADE = gettext_noop("a grade, which gives the order; the number is kept beside it")
STRENGTH = gettext_noop("how clear it is, kept beside the ranking")
COMMENT = gettext_noop("what the labeler wrote")
LANGUAGE = gettext_noop("the language")
GOOD = gettext_noop("whether the answer is good")
TEXT = gettext_noop("raw text")
GROUP = gettext_noop("which rows belong together")
SECONDS = gettext_noop("seconds, kept beside the ranking")
WANTED = gettext_noop("how many answers are wanted")
JUDGED = {VERDICT, RANKS, JUDGMENTS}
"""Meanings of fields in which people's judgments stand."""
UNJUDGED = gettext_noop("nobody judged the answers")


@dataclass(frozen=True)
class Shape:
    """`fields`: those that are read, and their meaning; all others are dropped, by name.

    `reads`: what a row has under names that are anybody's. `loses`: what files of this shape cannot
    say. `refuses`: why none is taken.
    """

    name: str
    fields: Mapping[str, str]
    fits: Callable[[Object], bool]
    read: Callable[[Object], Item | Iterable[Item]] = field(default=lambda _row: ())
    reads: Callable[[Object], Mapping[str, str]] = field(default=lambda _row: {})
    loses: str = ""
    refuses: str = ""

    def meaning_of(self, name: str) -> str:
        """Of a field that is read; "" of one that is dropped. * in `fields` stands for anything."""
        if name in self.fields:
            return self.fields[name]
        patterns = (each for each in self.fields if "*" in each and fnmatchcase(name, each))
        return next((self.fields[each] for each in patterns), "")


def has(*names: str) -> Callable[[Object], bool]:
    """Fits rows with all these fields."""
    return lambda row: all(name in row for name in names)


def has_only(needed: tuple[str, ...], *more: str) -> Callable[[Object], bool]:
    """Fits rows with the needed fields and none but these."""
    return lambda row: set(needed) <= set(row) <= {*needed, *more}
