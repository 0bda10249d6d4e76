"""What a row says, whatever its shape: a prompt, answers, judgments of them; or text."""

from dataclasses import dataclass, field, replace
from typing import Any

from annotation.exchange.prompts import (
    FEWEST_ANSWERS,
    MOST_ANSWERS,
    UnreadablePrompt,
    check_messages,
    check_text,
)
from annotation.exchange.wording import Unreadable, gettext_noop

Message = dict[str, str]
FILE = "file"  # the labeler of what names none
LONGEST_NAME, MOST_CANDIDATES = 100, 64

NO_ANSWER = gettext_noop("an answer is missing or no text.")
NO_TEXT = gettext_noop("there is no text in it.")
TOO_MANY = gettext_noop("it has more than {most} answers.")
TOO_MANY_TO_RANK = gettext_noop("people rank {fewest} to {most} answers, and it has {answers}.")
EMPTY_ANSWER = gettext_noop("an answer is empty")
EMPTY = gettext_noop("there is nothing in it.")


@dataclass(frozen=True)
class Candidate:
    """An answer, and the name of the model or person that wrote it, where it is told.

    `finish_reason`: "length" of one that was cut.
    """

    text: str
    author: str = ""
    finish_reason: str = ""


@dataclass(frozen=True)
class Judged:
    """What one labeler said of the candidates, by their place.

    `ranks`, 1 best, equal is a tie, None is not ranked; or `grades` on a scale of their own, more
    is better, which can be compared from row to row; `is_thumbs` where they are 1 good, 0 bad.
    `pairs`: the better and the worse of each comparison, where the ranks do not say all of it.
    `ratings`: quality, flags and highlights of each candidate, as our own files have them.
    `better`: what the labeler wrote: `text`, `source` (a candidate's place), `is_first`.
    `given` is kept as the file has it: a strength, seconds.
    """

    labeler: str = FILE
    ranks: tuple[int | None, ...] = ()
    grades: tuple[float | None, ...] = ()
    is_thumbs: bool = False
    none_acceptable: bool = False
    comment: str = ""
    marks: tuple[str, ...] = ()
    ratings: tuple[dict[str, Any] | None, ...] = ()
    better: dict[str, Any] = field(default_factory=dict)
    shown_order: tuple[int, ...] = ()
    given: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Item:
    """`text`: raw text, and nothing else. `demonstration`: the answer to be learned.

    `system_prompt`: a project's, which stood before the messages when they were answered.
    `group`: rows of one prompt belong together where it is the same. `notes`: what looks odd.
    """

    messages: list[Message] = field(default_factory=list)
    candidates: tuple[Candidate, ...] = ()
    judgments: tuple[Judged, ...] = ()
    demonstration: str | None = None
    text: str | None = None
    language: str = ""
    answers_wanted: int | None = None
    group: str = ""
    system_prompt: str = ""
    tags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return filled(self)


def filled(record: object) -> dict[str, Any]:
    """The fields of a record that say something, records in them likewise; without the copies that
    `dataclasses.asdict` makes of everything."""
    found = {}
    for name, value in vars(record).items():
        if value:
            is_records = isinstance(value, tuple | list) and hasattr(value[0], "__dict__")
            found[name] = [vars(each) for each in value] if is_records else value
    return found


def item_of(value: dict[str, Any]) -> Item:
    """What `as_json` wrote."""
    candidates = tuple(Candidate(**each) for each in value.get("candidates", ()))
    judgments = tuple(_judged(each) for each in value.get("judgments", ()))
    lists = {name: tuple(value.get(name, ())) for name in ("notes", "tags")}
    return Item(**{**value, "candidates": candidates, "judgments": judgments, **lists})


def _judged(value: dict[str, Any]) -> Judged:
    lists = ("ranks", "grades", "ratings", "marks", "shown_order")
    return Judged(**{**value, **{name: tuple(value[name]) for name in lists}})


def checked(item: Item) -> Item:
    """The item with equal answers as one. Raises Unreadable for what cannot be stored."""
    if item.text is not None:
        if not item.text.strip():
            raise Unreadable(NO_TEXT)
        check_text(item.text)
        return item
    texts = [candidate.text for candidate in item.candidates]
    answers = texts if item.demonstration is None else [*texts, item.demonstration]
    for text in answers:
        if not isinstance(text, str):
            raise Unreadable(NO_ANSWER)
        check_text(text)
    if item.demonstration is not None and not item.demonstration.strip():
        raise Unreadable(NO_ANSWER)
    if len(texts) > MOST_CANDIDATES:
        raise Unreadable(TOO_MANY, most=MOST_CANDIDATES)
    notes = item.notes if all(map(str.strip, texts)) else (*item.notes, EMPTY_ANSWER)
    return replace(item, messages=check_messages(item.messages), notes=notes)


def check_for_desk(count: int) -> None:
    """Raises Unreadable for a number of answers that nobody can put in order."""
    if not FEWEST_ANSWERS <= count <= MOST_ANSWERS:
        values = {"fewest": FEWEST_ANSWERS, "most": MOST_ANSWERS, "answers": count}
        raise Unreadable(TOO_MANY_TO_RANK, **values)


__all__ = ["Candidate", "Item", "Judged", "Message", "UnreadablePrompt", "checked", "item_of"]
