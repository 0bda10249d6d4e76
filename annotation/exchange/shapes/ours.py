"""Our own files: snapshots of groups, and triples as CSV and JSON Lines."""

import re
from typing import Any

from annotation.exchange.shapes import fields, shape
from annotation.exchange.shapes.item import Candidate, Item, Judged, Message
from annotation.exchange.shapes.shape import Object, Shape, has
from annotation.exchange.triples import FIELDS, FORMULA_STARTS
from annotation.exchange.wording import Unreadable, gettext_noop


def read_group(row: Object) -> Item:
    answers = row["answers"]
    judged = tuple(_ranking(said, len(answers)) for said in row["rankings"])
    candidates = tuple(Candidate(fields.answer_of(answer, "answers")) for answer in answers)
    messages = fields.messages_of(row["prompt"], "prompt")
    language = fields.name_of(row.get("lang"))[:20]
    return Item(messages, candidates, judged, language=language, group=str(row.get("id", "")))


def _ranking(said: Any, count: int) -> Judged:
    ranks = said.get("ranks") if isinstance(said, dict) else None
    if not isinstance(ranks, list) or len(ranks) != count:
        found = len(ranks) if isinstance(ranks, list) else 0
        raise Unreadable(fields.WRONG_LENGTH, field="ranks", count=found, answers=count)
    if not all(rank is None or (type(rank) is int and rank >= 1) for rank in ranks):
        raise Unreadable(fields.NOT_NUMBER, field="ranks")
    ratings = tuple(
        {"quality": quality, "flags": flags, "highlights": highlights}
        for quality, flags, highlights in zip(
            *(_list(said, name, count, empty) for name, empty in BESIDE.items()), strict=True
        )
    )
    return Judged(
        fields.labeler_of(said.get("labeler")),
        tuple(ranks),
        none_acceptable=said.get("none_acceptable") is True,
        marks=tuple(mark for mark in said.get("marks", ()) if isinstance(mark, str)),
        ratings=ratings if any(any(rating.values()) for rating in ratings) else (),
    )


BESIDE: dict[str, Any] = {"ratings": None, "flags": [], "highlights": []}


def _list(said: dict[str, Any], name: str, count: int, empty: Any) -> list[Any]:
    value = said.get(name)
    if value is None:
        return [empty] * count
    if not isinstance(value, list) or len(value) != count:
        found = len(value) if isinstance(value, list) else 0
        raise Unreadable(fields.WRONG_LENGTH, field=name, count=found, answers=count)
    return value


def read_triple(row: Object) -> Item:
    """One answer with its rank; those of one group and labeler belong together."""
    cells = {name: _undefused(value) for name, value in row.items()}
    rank = fields.number_of(cells, "rank")
    if rank is None:
        raise Unreadable(fields.NOT_NUMBER, field="rank")
    author = f"policy {cells['policy']}" if cells.get("policy") not in (None, "") else ""
    judged = Judged(
        fields.labeler_of(cells.get("labeler")),
        grades=(-rank,),
        none_acceptable=str(cells.get("none_acceptable")).lower() in ("true", "1"),
        comment=fields.text_of(cells, "comment", ""),
    )
    answer = Candidate(fields.text_of(cells, "answer"), author)
    language = fields.name_of(cells.get("language"))[:20]
    group = str(cells.get("group"))
    return Item(
        _turns(fields.text_of(cells, "question")),
        (answer,),
        (judged,),
        language=language,
        group=group,
    )


def _undefused(value: object) -> object:
    is_defused = (
        isinstance(value, str) and value[:1] == "'" and value[1:].startswith(FORMULA_STARTS)
    )
    return value[1:] if is_defused else value  # type: ignore[index]


def _turns(question: str) -> list[Message]:
    """A conversation as `triples.question_text` writes it, or else a single question."""
    parts = re.split(r"(?:^|\n\n)(system|user|assistant): ", question)
    if len(parts) < 5 or parts[0]:
        return [{"role": fields.USER, "content": question}]
    return [
        {"role": role, "content": content}
        for role, content in zip(parts[1::2], parts[2::2], strict=True)
    ]


def _is_group(row: Object) -> bool:
    return (
        "prompt" in row
        and isinstance(row.get("answers"), list)
        and isinstance(row.get("rankings"), list)
    )


SHAPES = (
    Shape(
        "Laoshi snapshot",
        {
            "id": shape.GROUP,
            "prompt": shape.CONVERSATION,
            "lang": shape.LANGUAGE,
            "answers": shape.ANSWERS,
            "rankings": shape.JUDGMENTS,
        },
        _is_group,
        read_group,
    ),
    Shape(
        "Laoshi triples",
        {
            "question": shape.PROMPT,
            "answer": shape.ANSWER,
            "rank": shape.RANKS,
            "none_acceptable": shape.JUDGMENTS,
            "comment": shape.COMMENT,
            "labeler": shape.LABELER,
            "group": shape.GROUP,
            "policy": shape.AUTHOR,
            "language": shape.LANGUAGE,
        },
        has(*FIELDS),
        read_triple,
        loses=gettext_noop("Conversations are one text in it, which is cut at its turns again."),
    ),
)
