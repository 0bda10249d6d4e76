"""Argilla's records: nested, flat, and as its API gives them."""

import re
from collections.abc import Iterator
from typing import Any

from annotation.exchange.shapes import fields, shape
from annotation.exchange.shapes.item import Candidate, Item, Judged
from annotation.exchange.shapes.lists import dense
from annotation.exchange.shapes.names import ANSWER, PROMPT, meaning_of
from annotation.exchange.shapes.shape import Object, Shape
from annotation.exchange.wording import Unreadable, gettext_noop

NO_FIELDS = gettext_noop("its fields hold no question with two or more answers.")
OTHERS = gettext_noop("answers to other questions than the order are not taken")
NO_TIES = gettext_noop(
    "This form cannot hold ties: Argilla's own library drops them when it writes."
)
OURS = re.compile(r"^(.+)\.responses$")


def _texts(named: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """The question, and the answers by the names of their fields."""
    texts = {name: text for name, text in named.items() if isinstance(text, str)}
    prompts = [name for name in texts if meaning_of(name) == PROMPT]
    answers = {name: text for name, text in texts.items() if meaning_of(name) == ANSWER}
    if len(prompts) != 1 or not answers:
        raise Unreadable(NO_FIELDS)
    return texts[prompts[0]], answers


def _ranking(value: object, names: list[str], labeler: object, comment: str = "") -> Judged | None:
    """An order of the answers' fields, as a list of names or of names with ranks; or the best."""
    if isinstance(value, str) and value in names:
        best = names.index(value)
        pairs = tuple((best, other) for other in range(len(names)) if other != best)
        return Judged(fields.labeler_of(labeler), comment=comment, given={"pairs": pairs})
    if not isinstance(value, list) or not value:
        return None
    if all(isinstance(one, dict) and {"value", "rank"} <= set(one) for one in value):
        ranks = {str(one["value"]): fields.number_of(one, "rank") for one in value}
        if not set(ranks) <= set(names):
            return None
        placed = dense([ranks.get(name) for name in names])
    elif all(isinstance(one, str) and one in names for one in value):
        placed = fields.ordered(names, value, "ranking")
    else:
        return None
    return Judged(fields.labeler_of(labeler), placed, comment=comment)


def _item(
    named: dict[str, Any], votes: Iterator[tuple[object, object]], language_name: object
) -> Item:
    prompt, answers = _texts(named)
    names = list(answers)
    judged: list[Judged] = []
    notes: set[str] = set()
    for value, who in votes:
        found = _ranking(value, names, who)
        if found:
            judged.append(found)
        elif value is not None:
            notes.add(OTHERS)
    candidates = tuple(Candidate(text) for text in answers.values())
    messages = fields.messages_of(prompt, "prompt")
    language = fields.name_of(language_name)[:20]
    return Item(messages, candidates, tuple(judged), language=language, notes=tuple(notes))


def read_nested(row: Object) -> Item:
    metadata = row.get("metadata")
    language = metadata.get("lang") if isinstance(metadata, dict) else None
    return _item(row["fields"], _nested_votes(row["responses"]), language)


def _nested_votes(responses: dict[str, Any]) -> Iterator[tuple[object, object]]:
    for said in responses.values():
        for one in said if isinstance(said, list) else ():
            if isinstance(one, dict):
                yield one.get("value"), one.get("user_id")


def read_api(row: Object) -> Item:
    metadata = row.get("metadata")
    language = metadata.get("lang") if isinstance(metadata, dict) else None
    return _item(row["fields"], _api_votes(row["responses"]), language)


def _api_votes(responses: list[Any]) -> Iterator[tuple[object, object]]:
    """Those that were submitted: one that was discarded, or is a draft, is no judgment."""
    for response in responses:
        if isinstance(response, dict) and response.get("status", "submitted") == "submitted":
            values = response.get("values")
            for said in values.values() if isinstance(values, dict) else ():
                yield said.get("value") if isinstance(said, dict) else said, response.get("user_id")


def read_flat(row: Object) -> Item:
    return _item(dict(row), _flat_votes(row), row.get("lang"))


def _flat_votes(row: Object) -> Iterator[tuple[object, object]]:
    for name in row:
        if found := OURS.match(name):
            votes = fields.cell_of(row[name])
            users = fields.cell_of(row.get(f"{name}.users"))
            states = fields.cell_of(row.get(f"{name}.status"))
            for at, value in enumerate(votes if isinstance(votes, list) else ()):
                state = states[at] if isinstance(states, list) and at < len(states) else "submitted"
                if state == "submitted":
                    yield (
                        value,
                        users[at] if isinstance(users, list) and at < len(users) else found[1],
                    )


def _is_nested(row: Object) -> bool:
    return isinstance(row.get("fields"), dict) and isinstance(row.get("responses"), dict)


FIELDS = {
    "fields": gettext_noop("the question and the answers"),
    "responses": shape.JUDGMENTS,
    "metadata": gettext_noop("the language, where it names one"),
}

SHAPES = (
    Shape("Argilla", FIELDS, _is_nested, read_nested, loses=NO_TIES),
    Shape(
        "Argilla (API)",
        FIELDS,
        lambda row: isinstance(row.get("fields"), dict) and isinstance(row.get("responses"), list),
        read_api,
    ),
    Shape(
        "Argilla (flat)",
        {
            **dict.fromkeys(("prompt", "question", "instruction"), shape.PROMPT),
            **dict.fromkeys(("response*", "answer*", "completion*"), shape.ANSWER),
            **dict.fromkeys(
                ("*rank*.responses*", "*prefer*.responses*", "*best*.responses*"), shape.JUDGMENTS
            ),
            "lang": shape.LANGUAGE,
        },
        lambda row: "_server_id" in row and any(OURS.match(name) for name in row),
        read_flat,
        loses=NO_TIES,
    ),
)
