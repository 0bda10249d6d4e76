"""summarize-from-feedback: two summaries compared by a worker, or one judged on four axes."""

from annotation.exchange.shapes import fields, shape
from annotation.exchange.shapes.item import Candidate, Item, Judged, Message
from annotation.exchange.shapes.shape import Object, Shape, has
from annotation.exchange.wording import Unreadable, gettext_noop

QUESTION = "Summarize the following text.\n\n"


def _asked(row: Object) -> list[Message]:
    info = fields.cell_of(row["info"])
    if not isinstance(info, dict):
        raise Unreadable(fields.NOT_TEXT, field="info")
    text = info.get("post") or info.get("article")
    if not isinstance(text, str):
        raise Unreadable(fields.NOT_TEXT, field="info.post")
    title = info.get("title")
    head = f"{title}\n\n" if isinstance(title, str) and title.strip() else ""
    return [{"role": fields.USER, "content": f"{QUESTION}{head}{text}"}]


def _candidate(summary: object) -> Candidate:
    if not isinstance(summary, dict):
        raise Unreadable(fields.NOT_TEXT, field="summaries")
    return Candidate(fields.text_of(summary, "text"), fields.name_of(summary.get("policy")))


def read_comparison(row: Object) -> Item:
    candidates = tuple(map(_candidate, fields.list_of(row["summaries"], "summaries")))
    table = {0: fields.FIRST, 1: fields.SECOND}
    extra = fields.cell_of(row.get("extra"))
    confidence = fields.number_of(extra, "confidence") if isinstance(extra, dict) else None
    given = {} if confidence is None else {"confidence": confidence}
    judged = Judged(
        fields.labeler_of(row.get("worker")), fields.one_of(row, "choice", table), given=given
    )
    return Item(_asked(row), candidates, (judged,))


def read_axes(row: Object) -> Item:
    summary = fields.cell_of(row["summary"])
    candidate = _candidate(summary)
    axes = summary.get("axes") if isinstance(summary, dict) else None
    if not isinstance(axes, dict):
        raise Unreadable(fields.NOT_NUMBER, field="summary.axes")
    judged = Judged(
        fields.labeler_of(row.get("worker")),
        grades=(fields.number_of(axes, "overall"),),
        given={"aspects": [axes]},
    )
    return Item(_asked(row), (candidate,), (judged,))


ASKED = {
    "info": gettext_noop("the text to be summarised, asked for as “Summarize the following text.”"),
    "worker": shape.LABELER,
}

SHAPES = (
    Shape(
        "summarize-from-feedback (comparisons)",
        {**ASKED, "summaries": shape.ANSWERS, "choice": shape.VERDICT, "extra": shape.STRENGTH},
        has("info", "summaries", "choice"),
        read_comparison,
    ),
    Shape(
        "summarize-from-feedback (axes)",
        {
            **ASKED,
            "summary": gettext_noop("the answer and its grades; the overall one gives the order"),
        },
        has("info", "summary", "worker"),
        read_axes,
    ),
)
