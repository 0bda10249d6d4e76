"""Conversations: ShareGPT and LLaMA-Factory, OpenAI, TRL, MedicalGPT; with pairs or labels."""

from annotation.exchange.shapes import fields, shape
from annotation.exchange.shapes.item import Candidate, Item, Judged, Message
from annotation.exchange.shapes.preference import BESIDE, beside, preference
from annotation.exchange.shapes.shape import Object, Shape, has
from annotation.exchange.wording import Unreadable, gettext_noop

NOT_TO_LEARN = gettext_noop("its last answer has the weight 0: it is not to be learned.")
NAMES = (
    *("messages", "conversations", "conversation", "context_messages"),
    *("items", "dialogue", "dialog", "对话"),
)
LABELS = ("label", "kto_tag")


def _turns(row: Object) -> tuple[list[Message], tuple[str, ...]]:
    name = next(name for name in NAMES if name in row)
    said = fields.messages_of(fields.cell_of(row[name]), name)
    messages = [*fields.turns_before(row.get("history")), *said]
    messages = fields.with_system(messages, row.get("system"))
    messages, is_cut = fields.from_first_question(messages)
    return messages, (fields.CUT_HEAD,) if is_cut else ()


def read_conversation(row: Object) -> Item:
    """One that ends with the assistant is to be learned; one that does not, is to be answered."""
    messages, notes = _turns(row)
    if not messages or messages[-1]["role"] != fields.ASSISTANT:
        return Item(messages, notes=notes, language=_language(row))
    if _last_weighs_nothing(row):
        raise Unreadable(NOT_TO_LEARN)
    asked, answer = fields.asked_and_answer(messages, "messages")
    return Item(asked, demonstration=answer, notes=notes, language=_language(row))


def _last_weighs_nothing(row: Object) -> bool:
    turns = next(fields.cell_of(row[name]) for name in NAMES if name in row)
    return isinstance(turns, list) and turns[-1].get("weight") == 0


def read_pair(row: Object) -> Item:
    messages, _notes = _turns(row)
    chosen, rejected = (
        fields.answer_of(fields.cell_of(row[name]), name) for name in ("chosen", "rejected")
    )
    return preference(messages, chosen, rejected, **beside(row))


def read_labelled(row: Object) -> Item:
    """The last answer is good or bad (KTO)."""
    messages, notes = _turns(row)
    asked, answer = fields.asked_and_answer(messages, "messages")
    judged = good_or_bad(row, next(name for name in LABELS if name in row))
    return Item(asked, (Candidate(answer),), (judged,), notes=notes)


def good_or_bad(row: Object, name: str) -> Judged:
    """Of one answer. Raises Unreadable where it is neither."""
    return Judged(grades=(float(fields.one_of(row, name, GOOD_OR_BAD)),), is_thumbs=True)


def is_labelled(row: Object) -> bool:
    return any(name in row and _is_verdict(row[name]) for name in LABELS)


def _is_verdict(value: object) -> bool:
    return isinstance(value, str | int) and str(value).strip().lower() in VERDICTS


def read_v1(row: Object) -> Item:
    pairs = [
        fields.messages_of(row[name], name) for name in ("chosen_messages", "rejected_messages")
    ]
    (asked, chosen), (other, rejected) = (
        fields.asked_and_answer(each, "messages") for each in pairs
    )
    if asked != other:
        raise Unreadable(fields.NOT_SAME_HEAD)
    return preference(asked, chosen, rejected)


def _language(row: Object) -> str:
    return fields.name_of(row.get("lang", row.get("language")))[:20]


def _has_turns(row: Object) -> bool:
    return any(fields.is_messages(fields.cell_of(row.get(name))) for name in NAMES)


GOOD_OR_BAD: dict[object, bool] = {
    **dict.fromkeys((True, 1, "true", "1", "yes", "good", "up", "+1", "👍", "是", "好"), True),
    **dict.fromkeys((False, 0, -1, "false", "0", "no", "bad", "down", "-1", "👎"), False),
    **dict.fromkeys(("否", "不好", "差", "坏"), False),
}
PAIRED = {"chosen", "rejected", "preferred", "dispreferred", "completion"}
VERDICTS = {str(value).lower() for value in GOOD_OR_BAD}
TURNS = dict.fromkeys(NAMES, shape.CONVERSATION)
BEFORE = {"system": shape.SYSTEM, "history": gettext_noop("the turns before")}
MORE = {**BEFORE, "lang": shape.LANGUAGE, "language": shape.LANGUAGE}

SHAPES = (
    Shape(
        "conversations with pairs (LLaMA-Factory, MedicalGPT)",
        {**TURNS, **BEFORE, "chosen": shape.BETTER, "rejected": shape.WORSE, **BESIDE},
        lambda row: _has_turns(row) and {"chosen", "rejected"} <= set(row) and "prompt" not in row,
        read_pair,
    ),
    Shape(
        "conversations with pairs (LLaMA-Factory v1)",
        {"chosen_messages": shape.BETTER, "rejected_messages": shape.WORSE},
        has("chosen_messages", "rejected_messages"),
        read_v1,
    ),
    Shape(
        "conversations with good or bad (KTO)",
        {**TURNS, **BEFORE, **dict.fromkeys(LABELS, shape.GOOD)},
        lambda row: _has_turns(row) and is_labelled(row),
        read_labelled,
    ),
    Shape(
        "conversations (ShareGPT, OpenAI, TRL)",
        {**dict.fromkeys(NAMES, shape.CONVERSATION_AND_ANSWER), **MORE},
        lambda row: _has_turns(row) and not PAIRED & set(row) and not is_labelled(row),
        read_conversation,
        loses=gettext_noop(
            "The last answer of each is to be learned; those before it are part of the question."
        ),
    ),
)
