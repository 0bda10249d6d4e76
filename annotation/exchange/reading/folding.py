"""Rows of one prompt that belong together become one group; what contradicts is named."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from annotation.exchange.reading.partial_order import Contradiction, PartialOrder
from annotation.exchange.shapes.item import (
    MOST_CANDIDATES,
    TOO_MANY,
    Candidate,
    Item,
    Judged,
    Message,
    check_for_desk,
    filled,
)
from annotation.exchange.tags import MOST_TAGS
from annotation.exchange.wording import Unreadable, gettext_noop

RANKING, THUMBS = "ranking", "thumbs"

CONTRADICTS = gettext_noop(
    "{labeler} said the opposite of it in another row of the same question: leave one of them out."
)
SAME_ANSWER = gettext_noop("the answers are the same text, and yet one is called better.")

Problem = tuple[int, Unreadable]
Row = tuple[int, Item]


@dataclass(frozen=True)
class Said:
    """One labeler's judgment of a group; `compared` as `PartialOrder` has it, None: all pairs."""

    labeler: str
    ranks: list[int]
    compared: list[tuple[int, int]] | None = None
    mode: str = RANKING
    none_acceptable: bool = False
    comment: str = ""
    marks: list[str] = field(default_factory=list)
    ratings: list[dict[str, Any] | None] = field(default_factory=list)
    better: dict[str, Any] = field(default_factory=dict)
    shown_order: list[int] = field(default_factory=list)
    given: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """A prompt with what the file's rows say of it; `merged`: answers that were there twice."""

    messages: list[Message]
    rows: list[int]
    candidates: list[Candidate] = field(default_factory=list)
    judgments: list[Said] = field(default_factory=list)
    demonstrations: list[str] = field(default_factory=list)
    text: str | None = None
    language: str = ""
    answers_wanted: int | None = None
    system_prompt: str = ""
    tags: tuple[str, ...] = ()
    merged: int = 0

    def as_json(self) -> dict[str, Any]:
        return filled(self)


def group_of(value: dict[str, Any]) -> Group:
    """What `as_json` wrote."""
    candidates = [Candidate(**each) for each in value.get("candidates", ())]
    judgments = [Said(**each) for each in value.get("judgments", ())]
    found = {"candidates": candidates, "judgments": judgments, "tags": tuple(value.get("tags", ()))}
    return Group(**{"messages": [], **value, **found})


def fold(rows: Sequence[Row]) -> tuple[list[Group], list[Problem]]:
    """The groups that the rows of one prompt are, and the rows that cannot be part of one."""
    groups: list[Group] = []
    problems: list[Problem] = []
    answered = [(row, item) for row, item in rows if item.candidates]
    for part in _components(answered):
        group, found = _fold(part)
        problems += found
        groups += [group] if group else []
    others = [(row, item) for row, item in rows if not item.candidates]
    if others:
        groups.append(_plain(others))
    return groups, problems


def _plain(rows: Sequence[Row]) -> Group:
    """A prompt, and what people answered."""
    items = [item for _row, item in rows]
    answers = [item.demonstration for item in items if item.demonstration is not None]
    return Group(
        items[0].messages,
        [row for row, _item in rows],
        demonstrations=list(dict.fromkeys(answers)),
        text=items[0].text,
        language=next((item.language for item in items if item.language), ""),
        answers_wanted=next((item.answers_wanted for item in items if item.answers_wanted), None),
        tags=_tags(items),
    )


def _tags(items: Sequence[Item]) -> tuple[str, ...]:
    found = dict.fromkeys(tag for item in items for tag in item.tags)
    return tuple(sorted(found)[:MOST_TAGS])


def _components(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows with an answer in common, and single answers graded alike; a group's name parts what
    another name joins."""
    if len(rows) < 2:
        return [list(rows)] if rows else []
    parent = list(range(len(rows)))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = at = parent[parent[at]]
        return at

    first: dict[tuple[str, str], int] = {}
    for at, (_row, item) in enumerate(rows):
        for tie in _ties(item):
            parent[root(at)] = root(first.setdefault((item.group, tie), at))
    found: dict[int, list[Row]] = {}
    for at, row in enumerate(rows):
        found.setdefault(root(at), []).append(row)
    return list(found.values())


def _ties(item: Item) -> Iterator[str]:
    """What a row shares with those that it belongs to."""
    if item.group:
        yield ""
    elif len(item.candidates) == 1:
        yield "" if not item.judgments or item.judgments[0].grades else item.candidates[0].text
    for candidate in item.candidates:
        yield f"={candidate.text}"


def _fold(rows: Sequence[Row]) -> tuple[Group | None, list[Problem]]:
    problems: list[Problem] = []
    index: dict[str, int] = {}
    candidates: list[Candidate] = []
    kept: list[Row] = []
    merged = 0
    for row, item in rows:
        new = {c.text: c for c in item.candidates if c.text not in index}
        merged += len(item.candidates) - len({c.text for c in item.candidates})
        if len(index) + len(new) > MOST_CANDIDATES:
            problems.append((row, Unreadable(TOO_MANY, most=MOST_CANDIDATES)))
            continue
        for text, candidate in new.items():
            index[text] = len(candidates)
            candidates.append(candidate)
        kept.append((row, item))
    said, found, bad = _judgments(kept, index)
    used = [row for row, _item in kept if row not in bad]
    if not used:
        return None, problems + found
    if not said:
        try:
            check_for_desk(len(candidates))
        except Unreadable as problem:
            return None, problems + found + [(row, problem) for row in used]
    items = [item for _row, item in kept]
    group = Group(
        items[0].messages,
        used,
        candidates,
        said,
        language=next((item.language for item in items if item.language), ""),
        system_prompt=items[0].system_prompt,
        tags=_tags(items),
        merged=merged,
    )
    return group, problems + found


def _judgments(
    rows: Sequence[Row], index: dict[str, int]
) -> tuple[list[Said], list[Problem], set[int]]:
    """Each labeler's, in the order in which they come; rows that say the opposite are problems."""
    voices: dict[str, _Voice] = {}
    problems: list[Problem] = []
    for row, item in rows:
        places = [index[candidate.text] for candidate in item.candidates]
        for judged in item.judgments:
            voice = voices.setdefault(judged.labeler, _Voice(judged.labeler, len(index)))
            try:
                voice.hear(judged, places)
            except Contradiction:
                problems.append((row, Unreadable(CONTRADICTS, labeler=judged.labeler)))
            except Unreadable as problem:
                problems.append((row, problem))
    return (
        [voice.said() for voice in voices.values() if voice.has_spoken],
        problems,
        {row for row, _ in problems},
    )


class _Voice:
    """All that one labeler says of a group."""

    def __init__(self, labeler: str, count: int) -> None:
        self.labeler, self.order = labeler, PartialOrder(count)
        self.grades: dict[int, float] = {}
        self.has_spoken = self.is_thumbs = self.none_acceptable = False
        self.comments: list[str] = []
        self.marks: list[str] = []
        self.ratings: list[dict[str, Any] | None] = [None] * count
        self.better: dict[str, Any] = {}
        self.shown_order: list[int] = []
        self.given: dict[str, Any] = {}

    def hear(self, judged: Judged, places: Sequence[int]) -> None:
        """Raises Contradiction, or Unreadable where equal answers are called unlike."""
        grades = {**self.grades}
        for place, grade in zip(places, judged.grades, strict=False):
            if grade is not None and grades.setdefault(place, grade) != grade:
                raise Contradiction
        ranks = _by_place(judged.ranks, places, self.order.count)
        pairs = [(places[b], places[w]) for b, w in judged.given.get("pairs", ())]
        self.order.add(_ranks_of(grades, self.order.count))
        self.order.add(ranks, pairs)
        self.grades = grades
        self.has_spoken = True
        self.is_thumbs |= judged.is_thumbs
        self.none_acceptable |= judged.none_acceptable
        self.comments += [judged.comment] if judged.comment else []
        self.marks += [mark for mark in judged.marks if mark not in self.marks]
        for place, rating in zip(places, judged.ratings, strict=False):
            self.ratings[place] = self.ratings[place] or rating
        if judged.better and not self.better:
            source = judged.better.get("source")
            self.better = {**judged.better, "source": None if source is None else places[source]}
        shown = [places[at] for at in judged.shown_order]
        if sorted(shown) == list(range(self.order.count)):
            self.shown_order = shown
        _add_given(self.given, {k: v for k, v in judged.given.items() if k != "pairs"})

    def said(self) -> Said:
        ranks, is_bad = self.order.ranks(), self.none_acceptable
        if self.is_thumbs and self.grades:
            ranks = [1 if self.grades.get(at) else 2 for at in range(self.order.count)]
            if not any(self.grades.values()):
                ranks, is_bad = [1] * self.order.count, True
        given = dict(self.given)
        if self.grades and not self.is_thumbs:
            given["grades"] = [self.grades.get(at) for at in range(self.order.count)]
        return Said(
            self.labeler,
            ranks,
            self.order.compared(),
            THUMBS if self.is_thumbs else RANKING,
            is_bad,
            "\n".join(self.comments),
            self.marks,
            self.ratings if any(self.ratings) else [],
            self.better,
            self.shown_order,
            given,
        )


def _ranks_of(grades: Mapping[int, float], count: int) -> list[int | None]:
    order = {
        grade: rank for rank, grade in enumerate(sorted(set(grades.values()), reverse=True), 1)
    }
    return [order[grades[at]] if at in grades else None for at in range(count)]


def _by_place(ranks: Sequence[int | None], places: Sequence[int], count: int) -> list[int | None]:
    """Ranks by the group's answers; equal texts ranked unlike count as not ranked."""
    found: dict[int, set[int]] = {}
    for place, rank in zip(places, ranks, strict=False):
        if rank is not None:
            found.setdefault(place, set()).add(rank)
    if len(set(places)) < 2 and any(len(each) > 1 for each in found.values()):
        raise Unreadable(SAME_ANSWER)
    return [
        next(iter(each)) if len(each := found.get(at, set())) == 1 else None for at in range(count)
    ]


def _add_given(given: dict[str, Any], more: dict[str, Any]) -> None:
    """Beside what was given before: lists grow, of two other values both are kept."""
    for name, value in more.items():
        before = given.get(name)
        if before is None:
            given[name] = value
        elif isinstance(before, list) and isinstance(value, list):
            given[name] = [*before, *value]
        elif before != value:
            given[name] = [*(before if isinstance(before, list) else [before]), value]
