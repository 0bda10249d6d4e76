"""Other labeling tools: Potato and doccano."""

import re
import string
from typing import Any

from annotation.exchange.shapes import fields, shape
from annotation.exchange.shapes.item import Candidate, Item, Judged
from annotation.exchange.shapes.shape import Object, Shape
from annotation.exchange.wording import Unreadable, gettext_noop

NO_ITEMS = gettext_noop(
    "The file holds the orders that labelers gave, and not the answers: add the answers to each "
    "row as the list “items” (Potato's items_key), and the question as “prompt”."
)
ITEMS = ("items", "options", "responses", "answers")
ASKED_AS = ("prompt", "question", "instruction", "query", "text")


def _order(row: Object) -> str | None:
    """At the top, in the answer to a question, or in that among all answers."""
    answers = [value for value in row.values() if isinstance(value, dict)]
    deeper = [value for each in answers for value in each.values() if isinstance(value, dict)]
    orders = (each.get("rank_order") for each in (row, *answers, *deeper))
    return next((order for order in orders if isinstance(order, str)), None)


def read_potato(row: Object) -> Item:
    """Letters name the items; "=" ties: B,D=A,C."""
    name = next(name for name in ITEMS if name in row)
    items: list[Any] = [
        item.get("text", item.get("content")) if isinstance(item, dict) else item
        for item in fields.list_of(row[name], name)
    ]
    if not all(isinstance(item, str) for item in items):
        raise Unreadable(fields.NOT_TEXT, field=name)
    ranks: dict[int, int] = {}
    for rank, tied in enumerate(re.split(r"[,>]", _order(row) or ""), start=1):
        for letter in tied.split("="):
            place = string.ascii_uppercase.find(letter.strip().upper()[:1] or "-")
            if not 0 <= place < len(items) or place in ranks or len(letter.strip()) != 1:
                raise Unreadable(
                    fields.UNKNOWN_VALUE, field="rank_order", value=letter[:20], known="A, B, …"
                )
            ranks[place] = rank
    prompt = next((row[name] for name in ASKED_AS if name in row), None)
    judged = Judged(
        fields.labeler_of(row.get("user", row.get("annotator"))),
        tuple(map(ranks.get, range(len(items)))),
    )
    return Item(fields.messages_of(prompt, "prompt"), tuple(map(Candidate, items)), (judged,))


def read_doccano(row: Object) -> Item:
    """Text to text: each label is an answer that somebody wrote; the first is learned."""
    labels = fields.cell_of(row["label"])
    answers = (
        [label for label in labels if isinstance(label, str)] if isinstance(labels, list) else []
    )
    name = "text" if "text" in row else "data"
    messages = fields.messages_of(fields.text_of(row, name), name)
    if not answers:
        return Item(messages)
    if len(answers) > 1:
        return Item(messages, tuple(Candidate(answer) for answer in answers))
    return Item(messages, demonstration=answers[0])


def _is_doccano(row: Object) -> bool:
    labels = fields.cell_of(row.get("label"))
    is_texts = isinstance(labels, list) and all(isinstance(label, str) for label in labels)
    rest = set(row) - {"id", "label", "Comments", "comments", "meta"}
    return is_texts and rest in ({"text"}, {"data"})


SHAPES = (
    Shape(
        "Potato",
        {
            **dict.fromkeys(ITEMS, shape.ANSWERS),
            **dict.fromkeys(ASKED_AS, shape.PROMPT),
            "rank_order": shape.RANKS,
            "response_quality": shape.RANKS,
            "user": shape.LABELER,
        },
        lambda row: _order(row) is not None and any(name in row for name in ITEMS),
        read_potato,
    ),
    Shape("Potato without its items", {}, lambda row: _order(row) is not None, refuses=NO_ITEMS),
    Shape(
        "doccano (text to text)",
        {**dict.fromkeys(("text", "data"), shape.PROMPT), "label": shape.DEMONSTRATION},
        _is_doccano,
        read_doccano,
    ),
)
