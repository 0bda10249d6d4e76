"""Label Studio: tasks with their annotations (JSON), or one row an annotation (JSON_MIN, CSV)."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from annotation.exchange.shapes import fields, shape
from annotation.exchange.shapes.argilla import OTHERS
from annotation.exchange.shapes.item import Candidate, Item, Judged, Message
from annotation.exchange.shapes.names import ANSWER, PROMPT, meaning_of
from annotation.exchange.shapes.shape import Object, Shape, has
from annotation.exchange.shapes.winner import better, number_of
from annotation.exchange.wording import Unreadable, gettext_noop

NO_DATA = gettext_noop("its data holds no question with answers to compare.")
UNTOUCHED = "_"
CANCELLED = gettext_noop("Cancelled votes and the mark of a gold answer are not in this form.")
AS_SHOWN = gettext_noop(
    "the order is the one that was shown, sent within ten seconds: perhaps nobody looked"
)
SHORT = 10.0
OURS = re.compile(r"labeler-[0-9a-f]{12}|consensus")
"""Who said it, in what leaves here as predictions."""
SIDES = {"left": fields.FIRST, "right": fields.SECOND}
ASKS_FOR_THE_BETTER = re.compile(r"prefer|better|best", re.IGNORECASE)
"""In the name of a control whose choices are verdicts; other controls ask other things."""
UNCLEAR = re.compile(r"\d+|none|both", re.IGNORECASE)
"""Choices that as often say something else."""


def _asked(data: Object) -> tuple[list[Message], dict[str, Candidate]]:
    """The question; the answers by their ids: a list of items, or fields of their own."""
    asked = [name for name in data if _is_question(name, data[name])]
    if not asked:
        raise Unreadable(NO_DATA)
    messages = fields.messages_of(fields.cell_of(data[asked[0]]), asked[0])
    items = next((cell for name in data if _is_items(cell := fields.cell_of(data[name]))), None)
    if items is not None:
        return messages, {str(item["id"]): Candidate(_body(item)) for item in items}
    texts = {name: text for name, text in data.items() if isinstance(text, str)}
    answers = {name: text for name, text in texts.items() if meaning_of(name) == ANSWER}
    if len(answers) < 2:
        answers = {name: text for name, text in texts.items() if name.startswith("text")}
    if len(answers) < 2:
        raise Unreadable(NO_DATA)
    return messages, {name: Candidate(text) for name, text in answers.items()}


def _is_question(name: str, value: object) -> bool:
    if fields.is_messages(fields.cell_of(value)):
        return True
    return meaning_of(name) == PROMPT and isinstance(value, str)


def _is_items(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(v, dict) and "id" in v for v in value)
    )


def _body(item: dict[str, Any]) -> str:
    return next((item[n] for n in ("body", "text", "html") if isinstance(item.get(n), str)), "")


def _said(results: list[Object], answers: dict[str, Candidate]) -> Judged | None:
    """What the first result says that says something, else the ratings of single answers; None: it
    was left as it was, which is no tie."""
    ids = list(answers)
    for result in results:
        found = _order(result["value"], ids) or _choice(result, ids)
        if found:
            return found
    rated = [each for each in results if "rating" in each["value"]]
    given = {str(each.get("to_name")): fields.number_of(each["value"], "rating") for each in rated}
    if not set(given) & set(ids):  # its tags have names of their own
        given = {_of_number(each, ids): fields.number_of(each["value"], "rating") for each in rated}
    grades = tuple(given.get(name) for name in ids)
    return Judged(grades=grades) if any(grade is not None for grade in grades) else None


def _of_number(result: Object, ids: list[str]) -> str:
    """The answer that has the number, or the letter, of the tag; "" for none."""
    for tag in (str(result.get("to_name")), str(result.get("from_name"))):
        if number := number_of(tag):
            return next((name for name in ids if number_of(name) == number), "")
    return ""


def _order(value: Object, ids: list[str]) -> Judged | None:
    if "selected" in value and len(ids) == 2:
        return Judged(ranks=fields.one_of(value, "selected", SIDES))
    ranker = value.get("ranker")
    buckets = ranker if isinstance(ranker, dict) else value
    lists = {n: b for n, b in buckets.items() if n != "choices" and _are_ids(b, ids)}
    if UNTOUCHED not in lists and len(lists) == 1:
        return Judged(ranks=fields.ordered(ids, next(iter(lists.values())), "ranker"))
    return _by_buckets(lists, ids)


def _choice(result: Object, ids: list[str]) -> Judged | None:
    """The field of an answer, whatever was asked; another word only where the better one was."""
    choices = result["value"].get("choices")
    if not isinstance(choices, list) or len(choices) != 1:
        return None
    word = str(choices[0]).strip()
    is_said = word in ids or ASKS_FOR_THE_BETTER.search(str(result.get("from_name")))
    return better(word, ids) if is_said and not UNCLEAR.fullmatch(word) else None


def _are_ids(value: object, ids: list[str]) -> bool:
    return isinstance(value, list) and {str(one) for one in value} <= set(ids)


def _by_buckets(buckets: dict[str, list[Any]], ids: list[str]) -> Judged | None:
    """The order of the buckets, then the one within; what was placed nowhere is not ranked."""
    placed = [str(one) for name, bucket in buckets.items() if name != UNTOUCHED for one in bucket]
    return Judged(ranks=fields.ordered(ids, placed, "ranker")) if placed else None


def read_task(row: Object) -> Item:
    messages, answers = _asked(row["data"])
    judged, notes = [], []
    for annotation, who in _votes(row):
        vote, found = _vote(_results(annotation.get("result")), answers, annotation, who)
        judged += [vote] if vote else []
        notes += found
    return Item(messages, tuple(answers.values()), tuple(judged), notes=tuple(notes))


def _results(given: object) -> list[Object]:
    parts = given if isinstance(given, list) else []
    return [p for p in parts if isinstance(p, dict) and isinstance(p.get("value"), dict)]


def _votes(row: Object) -> Iterator[tuple[Object, object]]:
    """Annotations with who made them; and of predictions, which are a model's word, those that
    bring back what a labeler here said."""
    for annotation in row.get("annotations", row.get("completions")) or ():
        if isinstance(annotation, dict) and not annotation.get("was_cancelled"):
            yield annotation, annotation.get("completed_by")
    predictions = row.get("predictions", ())
    for prediction in predictions if isinstance(predictions, list) else ():
        if isinstance(prediction, dict):
            who = prediction.get("model_version")
            if isinstance(who, str) and OURS.fullmatch(who):
                yield prediction, who


def _vote(
    results: list[Object], answers: dict[str, Candidate], of: Object, who: object
) -> tuple[Judged | None, list[str]]:
    said = _said(results, answers)
    if said is None:
        is_other = any({"choices", "rating", "text"} & set(each["value"]) for each in results)
        return None, [OTHERS] if is_other else []
    seconds = fields.number_of(of, "lead_time")
    given = {} if seconds is None else {"seconds": seconds}
    if of.get("ground_truth"):
        given["gold"] = True
    in_order = tuple(range(1, len(answers) + 1))
    is_odd = said.ranks == in_order and len(answers) > 2 and seconds is not None and seconds < SHORT
    whole = replace(
        said,
        labeler=fields.labeler_of(who),
        comment=_written(results),
        given={**said.given, **given},
    )
    return whole, [AS_SHOWN] if is_odd else []


def _written(results: list[Object]) -> str:
    texts = [each["value"].get("text") for each in results]
    lists = [text if isinstance(text, list) else [text] for text in texts]
    return "\n".join(one for each in lists for one in each if isinstance(one, str))[:2000]


def read_row(row: Object) -> Item:
    """One annotation with its task beside it; results stand in columns under their names."""
    data = {name: value for name, value in row.items() if name not in OWN}
    messages, answers = _asked(data)
    found: list[Object] = [
        {"from_name": name, "value": value}
        for name in data
        for value in _values(name, data[name], list(answers))
    ]
    vote, notes = _vote(found, answers, row, row.get("annotator"))
    return Item(messages, tuple(answers.values()), (vote,) if vote else (), notes=tuple(notes))


def _judging(row: Object) -> dict[str, str]:
    """The columns of its controls, which are called as the project calls them."""
    data = {name: value for name, value in row.items() if name not in OWN}
    try:
        _messages, answers = _asked(data)
    except Unreadable:
        return {}
    return {name: shape.RANKS for name in data if _values(name, data[name], list(answers))}


def _values(name: str, cell: object, ids: list[str]) -> list[Object]:
    """Of a column: a side, a choice, an order of ids, or what the result's `value` is."""
    if isinstance(cell, str) and cell in SIDES:
        return [{"selected": cell}]
    found = fields.cell_of(cell)
    if isinstance(found, str):
        is_choice = found in ids or ASKS_FOR_THE_BETTER.search(name)
        return [{"choices": [found]}] if is_choice else []
    parts = found if isinstance(found, list) else [found]
    if _is_items(found):
        return []
    if isinstance(found, list) and parts and _are_ids(parts, ids):
        return [{"ranker": {"rank": parts}}]
    return [part for part in parts if isinstance(part, dict)]


OWN = ("annotation_id", "annotator", "created_at", "updated_at", "lead_time", "id")


def _is_task(row: Object) -> bool:
    """With annotations, or to be imported there."""
    judged = [row.get(name, []) for name in ("annotations", "completions")]
    is_list = all(isinstance(each, list) for each in judged)
    is_named = bool({"annotations", "completions", "predictions"} & set(row)) or set(row) == {
        "data"
    }
    return is_named and is_list and isinstance(row.get("data"), dict)


SHAPES = (
    Shape(
        "Label Studio",
        {
            "data": gettext_noop("the question and the answers"),
            **dict.fromkeys(("annotations", "completions"), shape.JUDGMENTS),
        },
        _is_task,
        read_task,
    ),
    Shape(
        "Label Studio (JSON_MIN, CSV)",
        {
            **dict.fromkeys(("prompt", "question"), shape.PROMPT),
            **dict.fromkeys(("items", "answer1", "answer2", "text1", "text2"), shape.ANSWERS),
            **dict.fromkeys(("rank", "comparison", "ranker"), shape.RANKS),
            "annotator": shape.LABELER,
            "lead_time": shape.SECONDS,
        },
        has("annotation_id", "annotator"),
        read_row,
        reads=_judging,
        loses=CANCELLED,
    ),
)
