"""Label Studio: tasks with their annotations (JSON), or one row an annotation (JSON_MIN, CSV)."""

import re
from collections.abc import Iterator
from typing import Any

from annotation.exchange.shapes import fields, shape
from annotation.exchange.shapes.item import Candidate, Item, Judged
from annotation.exchange.shapes.names import ANSWER, PROMPT, meaning_of
from annotation.exchange.shapes.shape import Object, Shape
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


def _asked(data: Object) -> tuple[str, list[str], list[Candidate]]:
    """The question; the answers' ids; the answers: a list of items, or fields of their own."""
    prompts = [name for name in data if meaning_of(name) == PROMPT and isinstance(data[name], str)]
    items = next((cell for name in data if _is_items(cell := fields.cell_of(data[name]))), None)
    if not prompts:
        raise Unreadable(NO_DATA)
    if items is not None:
        ids = [str(item["id"]) for item in items]
        return data[prompts[0]], ids, [Candidate(_body(item)) for item in items]
    names = [name for name in data if meaning_of(name) == ANSWER and isinstance(data[name], str)]
    if len(names) < 2:
        names = [name for name in data if name.startswith("text") and isinstance(data[name], str)]
    if len(names) < 2:
        raise Unreadable(NO_DATA)
    return data[prompts[0]], names, [Candidate(data[name]) for name in names]


def _is_items(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(v, dict) and "id" in v for v in value)
    )


def _body(item: dict[str, Any]) -> str:
    return next((item[n] for n in ("body", "text", "html") if isinstance(item.get(n), str)), "")


def _ranks(values: Iterator[dict[str, Any]], ids: list[str]) -> tuple[int | None, ...] | None:
    """Of the first value that says something; None: it was left as it was, which is no tie."""
    for value in values:
        side = value.get("selected")
        if side is not None:
            return fields.one_of(value, "selected", SIDES) if len(ids) == 2 else None
        ranker = value.get("ranker")
        if isinstance(ranker, dict):
            buckets = {name: b for name, b in ranker.items() if isinstance(b, list)}
            if UNTOUCHED not in buckets and len(buckets) == 1:
                return fields.ordered(ids, next(iter(buckets.values())), "ranker")
            return _by_buckets(buckets, ids)
    return None


def _by_buckets(buckets: dict[str, list[Any]], ids: list[str]) -> tuple[int | None, ...] | None:
    """The order of the buckets, then the one within; what was placed nowhere is not ranked."""
    placed = [str(one) for name, bucket in buckets.items() if name != UNTOUCHED for one in bucket]
    return fields.ordered(ids, placed, "ranker") if placed else None


def read_task(row: Object) -> Item:
    prompt, ids, candidates = _asked(row["data"])
    judged, notes = [], []
    for annotation, who in _votes(row):
        results = annotation.get("result")
        values = (
            r["value"]
            for r in results or ()
            if isinstance(r, dict) and isinstance(r.get("value"), dict)
        )
        vote, note = _vote(values, ids, annotation, who)
        judged += [vote] if vote else []
        notes += [note] if note else []
    return Item(
        fields.messages_of(prompt, "prompt"), tuple(candidates), tuple(judged), notes=tuple(notes)
    )


def _votes(row: Object) -> Iterator[tuple[Object, object]]:
    """Annotations with who made them; and of predictions, which are a model's word, those that
    bring back what a labeler here said."""
    for annotation in row.get("annotations", ()):
        if isinstance(annotation, dict) and not annotation.get("was_cancelled"):
            yield annotation, annotation.get("completed_by")
    predictions = row.get("predictions", ())
    for prediction in predictions if isinstance(predictions, list) else ():
        if isinstance(prediction, dict):
            who = prediction.get("model_version")
            if isinstance(who, str) and OURS.fullmatch(who):
                yield prediction, who


def _vote(
    values: Iterator[dict[str, Any]], ids: list[str], of: Object, who: object
) -> tuple[Judged | None, str]:
    ranks = _ranks(values, ids)
    if ranks is None:
        return None, ""
    seconds = fields.number_of(of, "lead_time")
    given: dict[str, Any] = {} if seconds is None else {"seconds": seconds}
    if of.get("ground_truth"):
        given["gold"] = True
    as_shown = ranks == tuple(range(1, len(ids) + 1)) and len(ids) > 2
    note = AS_SHOWN if as_shown and seconds is not None and seconds < SHORT else ""
    return Judged(fields.labeler_of(who), ranks, given=given), note


def read_row(row: Object) -> Item:
    """One annotation with its task beside it."""
    data = {name: value for name, value in row.items() if name not in OWN}
    prompt, ids, candidates = _asked(data)
    found = [
        value
        for name in data
        if isinstance(cell := fields.cell_of(data[name]), list)
        for value in cell
        if isinstance(value, dict) and {"ranker", "selected"} & set(value)
    ]
    if not found:
        sides = [{"selected": data[name]} for name in data if data[name] in SIDES]
        found = sides if len(ids) == 2 else []
    vote, note = _vote(iter(found), ids, row, row.get("annotator"))
    messages = fields.messages_of(prompt, "prompt")
    return Item(messages, tuple(candidates), (vote,) if vote else (), notes=(note,) if note else ())


OWN = ("annotation_id", "annotator", "created_at", "updated_at", "lead_time", "id")


def _is_task(row: Object) -> bool:
    """With annotations, or to be imported there."""
    is_named = "annotations" in row or "predictions" in row
    is_list = isinstance(row.get("annotations", []), list)
    return is_named and is_list and isinstance(row.get("data"), dict)


SHAPES = (
    Shape(
        "Label Studio",
        {
            "data": gettext_noop("the question and the answers"),
            "annotations": shape.JUDGMENTS,
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
        lambda row: {"annotation_id", "annotator", "lead_time"} <= set(row),
        read_row,
        loses=CANCELLED,
    ),
)
