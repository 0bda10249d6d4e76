"""Our own files: snapshots of groups, and triples as CSV and JSON Lines."""

import re
from collections.abc import Iterable
from typing import Any

from annotation.exchange.shapes import fields, shape
from annotation.exchange.shapes.item import Candidate, Item, Judged, Message
from annotation.exchange.shapes.shape import Object, Shape, has
from annotation.exchange.triples import FIELDS, FORMULA_STARTS
from annotation.exchange.wording import Unreadable, gettext_noop
from annotation.exchange.writing.snapshot_rows import UNRATED, WRITTEN, led_id


def read_group(row: Object) -> Item:
    row = _without_lead(row)
    answers = row["answers"]
    count = len(answers)
    reasons = _list(row, "finish_reasons", count, "")
    sources = _list(row, "sources", count, None)
    candidates = tuple(
        Candidate(fields.answer_of(answer, "answers"), _author(source), str(reason or ""))
        for answer, source, reason in zip(answers, sources, reasons, strict=True)
    )
    messages, system = _without_system(row)
    return Item(
        messages,
        candidates,
        tuple(_ranking(said, count) for said in row["rankings"]),
        language=fields.name_of(row.get("lang"))[:20],
        group=str(row.get("id", "")),
        system_prompt=system,
    )


def _without_lead(row: Object) -> Object:
    """A snapshot's row of a ranking that its labeler's own answer leads, as a row of the group."""
    name, rankings = str(row.get("id", "")), row["rankings"]
    labeler = rankings[0].get("labeler") if rankings and isinstance(rankings[0], dict) else ""
    group = name.removesuffix(led_id("", str(labeler)))
    is_written = isinstance(row.get("finish_reasons"), list) and row["finish_reasons"][-1:] == [
        WRITTEN
    ]
    if group == name or not is_written:
        return row
    lists = ("answers", "finish_reasons", "sources")
    lead = {"better": {"text": row["answers"][-1], "is_first": True}}
    led = [_without_last(said, ("ranks", *UNRATED)) for said in rankings]
    led[0] = lead | led[0]
    return {**_without_last(row, lists), "id": group, "rankings": led}


def _without_last(record: Any, lists: Iterable[str]) -> Any:
    if not isinstance(record, dict):
        return record
    shorter = {name: record[name][:-1] for name in lists if isinstance(record.get(name), list)}
    return {**record, **shorter}


def _without_system(row: Object) -> tuple[list[Message], str]:
    """The prompt as it was asked, and the project's system prompt that stood before it."""
    messages, system = fields.messages_of(row["prompt"], "prompt"), row.get("system_prompt")
    is_added = isinstance(system, str) and messages[0] == {"role": fields.SYSTEM, "content": system}
    return (messages[1:], str(system)) if is_added and len(messages) > 1 else (messages, "")


def _author(source: object) -> str:
    """Who gave an answer elsewhere, or the policy version that did."""
    if not isinstance(source, dict):
        return ""
    if source.get("policy") is None:
        return fields.name_of(source.get("author"))
    return fields.name_of(f"{source.get('base_model') or ''} policy {source['policy']}".strip())


def _ranking(said: Any, count: int) -> Judged:
    ranks = said.get("ranks") if isinstance(said, dict) else None
    if not isinstance(ranks, list) or len(ranks) != count:
        found = len(ranks) if isinstance(ranks, list) else 0
        raise Unreadable(fields.WRONG_LENGTH, field="ranks", count=found, answers=count)
    if not all(rank is None or (type(rank) is int and rank >= 1) for rank in ranks):
        raise Unreadable(fields.NOT_NUMBER, field="ranks")
    beside = (_list(said, name, count, empty) for name, empty in UNRATED.items())
    ratings = tuple(
        {"quality": quality, "flags": flags, "highlights": highlights}
        for quality, flags, highlights in zip(*beside, strict=True)
    )
    given, seconds = fields.cell_of(said.get("given")), fields.number_of(said, "seconds")
    kept = (
        {name: value for name, value in given.items() if name != "pairs"}
        if isinstance(given, dict)
        else {}
    )
    return Judged(
        fields.labeler_of(said.get("labeler")),
        tuple(ranks),
        is_thumbs=said.get("mode") == "thumbs",
        none_acceptable=said.get("none_acceptable") is True,
        comment=fields.text_of(said, "comment", ""),
        marks=tuple(mark for mark in said.get("marks") or () if isinstance(mark, str)),
        ratings=ratings if any(any(rating.values()) for rating in ratings) else (),
        better=_better(said.get("better"), count),
        shown_order=tuple(at for at in said.get("shown_order") or () if at in range(count)),
        given={
            **kept,
            **({} if seconds is None else {"seconds": seconds}),
            **({"informed": True} if said.get("informed") is True else {}),
        },
    )


def _better(said: object, count: int) -> dict[str, Any]:
    """In our snapshots a text, else with what it was mended from."""
    if isinstance(said, str):
        said = {"text": said}
    if (
        not isinstance(said, dict)
        or not isinstance(said.get("text"), str)
        or not said["text"].strip()
    ):
        return {}
    source = said.get("source")
    return {
        "text": said["text"],
        "source": source if type(source) is int and 0 <= source < count else None,
        "is_first": said.get("is_first") is True,
    }


def _list(said: Object, name: str, count: int, empty: Any) -> list[Any]:
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
    is_defused = isinstance(value, str) and value[:1] == "'" and value[1:2] in FORMULA_STARTS
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
        "Laoshi groups",
        {
            "id": shape.GROUP,
            "system_prompt": shape.SYSTEM,
            "finish_reasons": gettext_noop("whether an answer was cut"),
            "sources": shape.AUTHOR,
            "prompt": shape.CONVERSATION,
            "lang": shape.LANGUAGE,
            "answers": shape.ANSWERS,
            "rankings": shape.JUDGMENTS,
        },
        _is_group,
        read_group,
        loses=gettext_noop(
            "Of an answer's source its author is kept, not seed, sampling, tokens and SHA-256; a "
            "ranking's revision and time are not."
        ),
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
