"""Argilla's records: nested, flat, and as its API gives them."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from annotation.exchange.shapes import fields, shape
from annotation.exchange.shapes.item import Candidate, Item, Judged, Message
from annotation.exchange.shapes.lists import dense
from annotation.exchange.shapes.names import ANSWER, PROMPT, meaning_of
from annotation.exchange.shapes.shape import Object, Shape
from annotation.exchange.shapes.winner import better, number_of
from annotation.exchange.wording import Unreadable, gettext_noop

NO_FIELDS = gettext_noop("its fields hold no question with two or more answers.")
OTHERS = gettext_noop("answers to other questions are not taken")
NO_TIES = gettext_noop(
    "This form cannot hold ties: Argilla's own library drops them when it writes."
)
OVERALL = re.compile("overall|rating|quality|score", re.IGNORECASE)
Vote = tuple[str, object, object]
"""Question, value, and whose it is."""
OURS = re.compile(r"^(.+)\.responses$")


def _texts(named: Object) -> tuple[list[Message], dict[str, str]]:
    """The question, a text or a conversation, and the answers by the names of their fields."""
    answers = {
        name: text
        for name, text in named.items()
        if isinstance(text, str) and meaning_of(name) == ANSWER
    }
    prompts = [
        value
        for name, value in named.items()
        if meaning_of(name) == PROMPT and (isinstance(value, str) or fields.is_messages(value))
    ]
    if len(prompts) != 1 or not answers:
        raise Unreadable(NO_FIELDS)
    return fields.messages_of(prompts[0], "prompt"), answers


def _ranking(value: object, answers: dict[str, str]) -> Judged | None:
    """An order of the answers' fields: a list of names, of names with ranks, or a list of each; or
    the best of them."""
    names = list(answers)
    if isinstance(value, str):
        is_grade = value.strip().isdecimal()
        return None if is_grade else better(value, names, list(answers.values()))
    if isinstance(value, dict) and set(value) == {"rank", "value"}:
        columns = [fields.list_of(value[name], name) for name in ("value", "rank")]
        value = [{"value": one, "rank": rank} for one, rank in zip(*columns, strict=False)]
    if not isinstance(value, list) or not value:
        return None
    if all(isinstance(one, dict) and {"value", "rank"} <= set(one) for one in value):
        ranks = {str(one["value"]): fields.number_of(one, "rank") for one in value}
        is_order = set(ranks) <= set(names)
        return Judged(ranks=dense([ranks.get(name) for name in names])) if is_order else None
    if all(isinstance(one, str) and one in names for one in value):
        return Judged(ranks=fields.ordered(names, value, "ranking"))
    return None


def _item(named: Object, votes: Iterator[Vote], metadata: object) -> Item:
    messages, answers = _texts(named)
    said: dict[str, list[tuple[str, object]]] = {}
    for question, value, who in votes:
        if value is not None:
            said.setdefault(fields.labeler_of(who), []).append((question, value))
    judged: list[Judged] = []
    notes: set[str] = set()
    for labeler, values in said.items():
        found, is_all = _judgments(values, answers)
        judged += [replace(each, labeler=labeler) for each in found]
        notes |= set() if is_all else {OTHERS}
    candidates = tuple(map(Candidate, answers.values()))
    beside = fields.cell_of(metadata)
    beside = beside if isinstance(beside, dict) else {}
    language = fields.name_of(beside.get("lang", beside.get("language")))[:20]
    return Item(messages, candidates, tuple(judged), language=language, notes=tuple(notes))


def _judgments(
    values: list[tuple[str, object]], answers: dict[str, str]
) -> tuple[list[Judged], bool]:
    """What one labeler said: orders, else grades; a text beside them is the comment. Whether that
    was all."""
    found, grades, texts, left = list[Judged](), dict[str, dict[str, float]](), list[str](), 0
    for question, value in values:
        number = None if isinstance(value, list | dict) else _number(value)
        graded = [
            name for name in answers if number is not None and _is_of(question, name, answers)
        ]
        if graded and number is not None:
            grades.setdefault(graded[0], {})[question] = number
        elif order := _ranking(value, answers):
            found.append(order)
        elif isinstance(value, str) and number is None:
            texts.append(value)
        else:
            left += 1
    if not found and grades:
        found = [_graded(grades, list(answers))]
    if found and texts:
        found[0] = replace(found[0], comment="\n".join(texts)[:2000])
    is_all = not left and (bool(found) or not texts)
    return found, is_all


def _is_of(question: str, name: str, answers: dict[str, str]) -> bool:
    """Whether the question grades this answer: the only one, or that of the same number."""
    number = number_of(question) or number_of(question.partition("_response")[0])
    return len(answers) == 1 or (bool(number) and number == number_of(name))


def _number(value: object) -> float | None:
    try:
        return fields.number_of({"": value}, "")
    except Unreadable:
        return None


def _graded(grades: dict[str, dict[str, float]], names: list[str]) -> Judged:
    """By what is said of each answer as a whole, else by the first question; the others beside."""
    overall = [_overall(grades.get(name, {})) for name in names]
    aspects = [grades.get(name) for name in names]
    return Judged(grades=tuple(overall), given={"aspects": aspects})


def _overall(said: dict[str, float]) -> float | None:
    whole = [number for question, number in said.items() if OVERALL.search(question)]
    return next(iter([*whole, *said.values()]), None)


def read_nested(row: Object) -> Item:
    votes = _nested_votes(fields.cell_of(row["responses"]))
    return _item(fields.cell_of(row["fields"]), votes, row.get("metadata"))


def _nested_votes(responses: dict[str, Any]) -> Iterator[Vote]:
    for question, said in responses.items():
        for one in said if isinstance(said, list) else ():
            if isinstance(one, dict):
                yield question, one.get("value"), one.get("user_id")


def read_api(row: Object) -> Item:
    votes = _api_votes(fields.cell_of(row["responses"]))
    return _item(fields.cell_of(row["fields"]), votes, row.get("metadata"))


def _api_votes(responses: list[Any]) -> Iterator[Vote]:
    """Those that were submitted: one that was discarded, or is a draft, is no judgment."""
    for response in responses:
        if isinstance(response, dict) and response.get("status", "submitted") == "submitted":
            values = response.get("values")
            for question, said in values.items() if isinstance(values, dict) else ():
                value = said.get("value") if isinstance(said, dict) else said
                yield question, value, response.get("user_id")


def read_flat(row: Object) -> Item:
    return _item(row, _flat_votes(row), row)


def _flat_votes(row: Object) -> Iterator[Vote]:
    for name in row:
        if found := OURS.match(name):
            votes = fields.cell_of(row[name])
            users = fields.cell_of(row.get(f"{name}.users"))
            states = fields.cell_of(row.get(f"{name}.status"))
            for at, value in enumerate(votes if isinstance(votes, list) else ()):
                state = states[at] if isinstance(states, list) and at < len(states) else "submitted"
                if state == "submitted":
                    is_named = isinstance(users, list) and at < len(users)
                    yield found[1], value, users[at] if is_named else found[1]


def read_v1(row: Object) -> Item:
    return _item(row, _v1_votes(row), row.get("metadata"))


def _v1_votes(row: Object) -> Iterator[Vote]:
    for name in _v1_questions(row):
        for said in fields.cell_of(row[name]):
            if said.get("status", "submitted") == "submitted":
                yield name, said.get("value"), said.get("user_id")


def _v1_questions(row: Object) -> list[str]:
    """Each has a column of suggestions beside it."""
    return [
        name
        for name in row
        if f"{name}-suggestion" in row
        and isinstance(said := fields.cell_of(row[name]), list)
        and all(isinstance(one, dict) and "value" in one for one in said)
    ]


def _is_nested(row: Object) -> bool:
    return _has_responses(row, dict)


def _has_responses(row: Object, kind: type) -> bool:
    parts = [fields.cell_of(row.get(name)) for name in ("fields", "responses")]
    return isinstance(parts[0], dict) and isinstance(parts[1], kind)


FIELDS = {
    "fields": gettext_noop("the question and the answers"),
    "responses": shape.JUDGMENTS,
    "metadata": gettext_noop("the language, where it names one"),
}

NAMED = {
    **dict.fromkeys(("prompt", "question", "instruction"), shape.PROMPT),
    **dict.fromkeys(("response*", "answer*", "completion*", "generation*"), shape.ANSWER),
}

ASKED = (
    *("rank", "prefer", "best", "rating", "overall", "quality", "score"),
    *("comment", "reason", "feedback", "explan", "note", "why", "critique"),
)

SHAPES = (
    Shape("Argilla", FIELDS, _is_nested, read_nested, loses=NO_TIES),
    Shape(
        "Argilla (API)",
        FIELDS,
        lambda row: _has_responses(row, list),
        read_api,
    ),
    Shape(
        "Argilla (flat)",
        {
            **NAMED,
            **dict.fromkeys([f"*{asked}*.responses*" for asked in ASKED], shape.JUDGMENTS),
            "lang": shape.LANGUAGE,
        },
        lambda row: any(
            OURS.match(name) and ("_server_id" in row or f"{name}.users" in row) for name in row
        ),
        read_flat,
        loses=NO_TIES,
    ),
    Shape(
        "Argilla (version 1)",
        {
            **NAMED,
            "*-suggestion*": "",
            **dict.fromkeys([f"*{asked}*" for asked in ASKED], shape.JUDGMENTS),
            "metadata": FIELDS["metadata"],
        },
        lambda row: bool(_v1_questions(row)),
        read_v1,
    ),
)
