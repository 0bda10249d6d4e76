"""What an admin sees of an import before anything is written."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotation.exchange.reading.folding import Group
from annotation.exchange.reading.reading import shape_named
from annotation.exchange.reading.staged import staged_at
from annotation.exchange.shapes.shape import BETTER, BETTER_AND_WORSE
from annotation.models import PromptUpload
from annotation.templatetags.judgments import in_order, in_pairs
from annotation.templatetags.text import letter

EXAMPLES, PROBLEMS = 10, 100
FEWEST_PAIRS, ONE_SIDED = 10, 0.9  # by chance in one of fifty files of ten pairs, or fewer


@dataclass(frozen=True)
class Example:
    group: Group
    orders: list[tuple[str, str]]

    @property
    def question(self) -> list[dict[str, str]]:
        return self.group.messages or [{"role": "user", "content": self.group.text or ""}]


@dataclass(frozen=True)
class Preview:
    """`columns`: name, meaning and example of those that are read; `dropped`: the others, and how
    many more of them."""

    columns: list[tuple[str, str, str]]
    dropped: list[str]
    more_dropped: int
    counts: list[tuple[str, int]]
    suspicions: list[str]
    examples: list[Example]
    problems: list[tuple[int, str]]
    more_problems: int | None

    @property
    def read(self) -> str:
        return ", ".join(name for name, _meaning, _example in self.columns)


def preview_of(upload: PromptUpload, first_problem: int = 0) -> Preview:
    """Of one that waits; without what it has lost already where it was cancelled just now."""
    report = upload.report
    examples: list[Example] = []
    problems: list[tuple[int, str]] = []
    if upload.staged.exists():
        try:
            with staged_at(upload.staged) as staged:
                found = islice(staged.groups(), EXAMPLES)
                examples = [_example(group) for _number, _key, group in found]
                read = staged.problems(first_problem, PROBLEMS + 1)
                problems = [(place, problem.worded(_)) for place, problem in read]
        except sqlite3.DatabaseError:
            examples, problems = [], []
    is_more = len(problems) > PROBLEMS
    return Preview(
        _columns(report),
        sorted(report.get("dropped", {})),
        report.get("more_dropped", 0),
        _counts(report.get("counts", {})),
        _suspicions(report),
        examples,
        problems[:PROBLEMS],
        first_problem + PROBLEMS if is_more else None,
    )


def _columns(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    examples = dict(report.get("columns", ()))
    return [
        (name, _(meaning), examples.get(name, "")) for name, meaning in report.get("fields", ())
    ]


def _counts(counts: dict[str, int]) -> list[tuple[str, int]]:
    words = {
        "rows": _("rows"),
        "prompts": _("prompts"),
        "here": _("of them are here already"),
        "judged": _("judged groups"),
        "to_rank": _("groups to be ranked here"),
        "answers": _("answers"),
        "rankings": _("rankings"),
        "labelers": _("labelers"),
        "ties": _("rankings with ties"),
        "demonstrations": _("answers to learn from"),
        "texts": _("texts"),
        "duplicates": _("rows that repeat another"),
        "problems": _("rows that cannot be taken"),
    }
    always = ("rows", "prompts")
    return [
        (word, counts.get(key, 0))
        for key, word in words.items()
        if counts.get(key) or key in always
    ]


def _suspicions(report: dict[str, Any]) -> list[str]:
    counts = report.get("counts", {})
    shape = shape_named(report.get("shape", ""))
    found = [_(shape.loses)] if shape is not None and shape.loses else []
    if merged := counts.get("merged", 0):
        text = ngettext(
            "%(count)d answer is there twice in its group, and counts once.",
            "%(count)d answers are there twice in their groups, and count once.",
            merged,
        )
        found.append(text % {"count": merged})
    if partial := counts.get("partial", 0):
        text = ngettext(
            "In %(count)d ranking some answers were not compared; nothing is learned of those.",
            "In %(count)d rankings some answers were not compared; nothing is learned of those.",
            partial,
        )
        found.append(text % {"count": partial})
    if alone := counts.get("alone", 0):
        text = ngettext(
            "%(count)d question has one judged answer only: no teacher model learns from it.",
            "%(count)d questions have one judged answer only: no teacher model learns from them.",
            alone,
        )
        found.append(text % {"count": alone})
    found += _of_order(counts, report.get("fields", ()))
    for note, count in report.get("notes", {}).items():
        text = ngettext("In %(count)d row: %(note)s.", "In %(count)d rows: %(note)s.", count)
        found.append(text % {"count": count, "note": _(note)})
    return found


def _of_order(counts: dict[str, int], fields: Iterable[Sequence[str]]) -> list[str]:
    """What looks as if the place of an answer, and not the answer, was judged."""
    found, long = [], counts.get("long", 0)
    if long > 2 and (listed := counts.get("as_listed", 0)) > long / 2:
        text = _(
            "%(listed)d of %(long)d orders are the one in which the file lists the answers: "
            "perhaps it is sorted, perhaps nobody looked."
        )
        found.append(text % {"listed": listed, "long": long})
    if long > 2 and (shown := counts.get("as_shown", 0)) > long / 2:
        text = _(
            "%(shown)d of %(long)d orders are the one in which the answers were shown: perhaps "
            "nobody looked."
        )
        found.append(text % {"shown": shown, "long": long})
    pairs, first = counts.get("pairs", 0), counts.get("first_won", 0)
    # Columns that are called better and worse have no sides.
    has_sides = not {meaning for _name, meaning in fields} & {BETTER, BETTER_AND_WORSE}
    if has_sides and pairs >= FEWEST_PAIRS and max(first, pairs - first) >= ONE_SIDED * pairs:
        text = _(
            "The answer on the same side is the better one in %(won)d of %(pairs)d pairs: perhaps "
            "the file is sorted, perhaps nobody looked."
        )
        found.append(text % {"won": max(first, pairs - first), "pairs": pairs})
    return found


def _example(group: Group) -> Example:
    names = {place: letter(place + 1) for place in range(len(group.candidates))}
    orders = []
    for said in group.judgments:
        if said.mode == "thumbs":
            good = [names[p] for p, rank in enumerate(said.ranks) if rank == 1]
            words = _("good: %(names)s") % {"names": ", ".join(good) or "–"}
            order = _("none is acceptable") if said.none_acceptable else words
        elif said.compared is not None:
            order = in_pairs(said.ranks, said.compared, names)
        else:
            order = in_order({names[p]: rank for p, rank in enumerate(said.ranks)})
        orders.append((said.labeler, order))
    return Example(group, orders)
