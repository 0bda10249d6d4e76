"""Other labeling tools: Potato and doccano."""

import re
import string

from annotation.exchange.shapes import fields, shape
from annotation.exchange.shapes.item import Candidate, Item, Judged
from annotation.exchange.shapes.names import PROMPT, meaning_of
from annotation.exchange.shapes.shape import Object, Shape
from annotation.exchange.wording import Unreadable, gettext_noop

NO_ITEMS = gettext_noop(
    "The file holds the orders that labelers gave, and not the answers: add the answers to each "
    "row as the list “items” (Potato's items_key), and the question as “prompt”."
)
ITEMS = ("items", "options", "responses", "answers")


def _order(row: Object) -> str | None:
    for value in row.values():
        if isinstance(value, dict) and isinstance(value.get("rank_order"), str):
            return str(value["rank_order"])
    order = row.get("rank_order")
    return order if isinstance(order, str) else None


def read_potato(row: Object) -> Item:
    """Letters name the items; "=" ties: B,D=A,C."""
    items = fields.cell_of(next(row[name] for name in ITEMS if name in row))
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise Unreadable(fields.NOT_TEXT, field="items")
    ranks: dict[int, int] = {}
    for rank, tied in enumerate(re.split(r"[,>]", _order(row) or ""), start=1):
        for letter in tied.split("="):
            place = string.ascii_uppercase.find(letter.strip().upper()[:1] or "-")
            if not 0 <= place < len(items) or place in ranks or len(letter.strip()) != 1:
                raise Unreadable(
                    fields.UNKNOWN_VALUE, field="rank_order", value=letter[:20], known="A, B, …"
                )
            ranks[place] = rank
    prompt = next((row[name] for name in row if meaning_of(name) == PROMPT), None)
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
    messages = fields.messages_of(fields.text_of(row, "text"), "text")
    if not answers:
        return Item(messages)
    if len(answers) > 1:
        return Item(messages, tuple(Candidate(answer) for answer in answers))
    return Item(messages, demonstration=answers[0])


def _is_doccano(row: Object) -> bool:
    labels = fields.cell_of(row.get("label"))
    is_texts = isinstance(labels, list) and all(isinstance(label, str) for label in labels)
    return "text" in row and is_texts and set(row) <= {"id", "text", "label", "Comments", "meta"}


SHAPES = (
    Shape(
        "Potato",
        {
            **dict.fromkeys(ITEMS, shape.ANSWERS),
            "prompt": shape.PROMPT,
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
        {"text": shape.PROMPT, "label": shape.DEMONSTRATION},
        _is_doccano,
        read_doccano,
    ),
)
