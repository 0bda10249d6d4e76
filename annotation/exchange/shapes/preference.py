"""A chosen and a rejected answer: TRL, OpenRLHF, UltraFeedback binarised, HH-RLHF, OpenAI."""

from typing import Any

from annotation.exchange.shapes import fields, shape
from annotation.exchange.shapes.item import Candidate, Item, Judged, Message
from annotation.exchange.shapes.shape import Object, Shape, has
from annotation.exchange.wording import Unreadable, gettext_noop

NO_PROMPT = gettext_noop(
    "the two texts have no common beginning that is a question: there is no telling what was asked."
)
KEPT = ("margin", "score_chosen", "score_rejected", "strength", "confidence")


def preference(
    messages: list[Message],
    chosen: str,
    rejected: str,
    authors: tuple[str, str] = ("", ""),
    **judged: Any,
) -> Item:
    candidates = fields.pair(chosen, rejected, authors)
    return Item(messages, candidates, (Judged(ranks=fields.FIRST, **judged),))


def read_pair(row: Object) -> Item:
    """With the prompt apart, or at the head of both conversations, or in both ways."""
    system, prompt = row.get("system"), row.get("prompt")
    heads, answers = [], []
    for name in ("chosen", "rejected"):
        value = fields.cell_of(row[name])
        if fields.is_messages(value) and len(value) > 1:
            head, answer = fields.asked_and_answer(fields.messages_of(value, name), name)
            heads.append(head)
        else:
            answer = fields.answer_of(value, name)
        answers.append(answer)
    if len(heads) == 1 or (heads and heads[0] != heads[1]):
        raise Unreadable(fields.NOT_SAME_HEAD)
    messages = heads[0] if heads else fields.messages_of(prompt, "prompt")
    authors = (fields.name_of(row.get("chosen_model")), fields.name_of(row.get("rejected_model")))
    given = {name: row[name] for name in KEPT if isinstance(row.get(name), int | float)}
    return preference(
        fields.with_system(messages, system), answers[0], answers[1], authors, given=given
    )


def read_texts(row: Object) -> Item:
    """Two whole texts that begin alike: HH-RLHF's transcripts."""
    chosen, rejected = fields.text_of(row, "chosen"), fields.text_of(row, "rejected")
    mark = "\n\nAssistant:"
    at = _common_head(chosen, rejected).rfind(mark)
    if at < 0:
        raise Unreadable(NO_PROMPT)
    answers = [text[at + len(mark) :].removeprefix(" ") for text in (chosen, rejected)]
    return preference(fields.transcript_of(chosen[:at]), answers[0], answers[1])


def read_implicit(row: Object) -> Item:
    """Two whole texts that begin alike, without marks of who speaks: cut where they part."""
    chosen, rejected = fields.text_of(row, "chosen"), fields.text_of(row, "rejected")
    head = _common_head(chosen, rejected)
    at = max(head.rfind(end) + 1 for end in (" ", "\n", "。", "？", "?", "!", "！", "."))
    head = head[:at]
    if not head.strip():
        raise Unreadable(NO_PROMPT)
    prompt, gap = head.rstrip(), head[len(head.rstrip()) :]
    messages = [{"role": fields.USER, "content": prompt}]
    return preference(messages, gap + chosen[at:], gap + rejected[at:])


def _common_head(one: str, other: str) -> str:
    """What both begin with, by halving what may be it."""
    known, most = 0, min(len(one), len(other))
    while known < most:
        half = (known + most + 1) // 2
        known, most = (half, most) if one.startswith(other[:half]) else (known, half - 1)
    return one[:known]


def read_openai(row: Object) -> Item:
    given = row["input"]
    messages = given.get("messages") if isinstance(given, dict) else given
    if isinstance(given, dict) and given.get("tools"):
        raise Unreadable(fields.HAS_TOOLS, role="tools")
    chosen, rejected = (
        fields.answer_of(row.get(f"{name}_output", row.get(f"{name}_completion")), name)
        for name in ("preferred", "non_preferred")
    )
    return preference(fields.messages_of(messages, "input"), chosen, rejected)


def read_sides(row: Object) -> Item:
    """Lists on both sides: each chosen answer is better than each rejected one, and no more is
    known."""
    sides = [row["chosen"], row["rejected"]]
    sides = [[side] if isinstance(side, str) else side for side in map(fields.cell_of, sides)]
    answers = [fields.answer_of(each, "chosen") for side in sides for each in side]
    models = row.get("models")
    names = (
        models if isinstance(models, list) and len(models) == len(answers) else [""] * len(answers)
    )
    count = len(sides[0])
    pairs = tuple((b, w) for b in range(count) for w in range(count, len(answers)))
    judged = Judged(given={"pairs": pairs})
    candidates = tuple(map(Candidate, answers, map(fields.name_of, names)))
    return Item(fields.messages_of(row["prompt"], "prompt"), candidates, (judged,))


def _is_text(row: Object) -> bool:
    return isinstance(row.get("chosen"), str) and isinstance(row.get("rejected"), str)


def _is_transcript(row: Object) -> bool:
    return (
        set(row) == {"chosen", "rejected"} and _is_text(row) and "\n\nAssistant:" in row["chosen"]
    )


def _has_sides(row: Object) -> bool:
    sides = [fields.cell_of(row.get(name)) for name in ("chosen", "rejected")]
    return "prompt" in row and all(
        isinstance(side, list) and side and all(isinstance(one, str) for one in side)
        for side in sides
    )


PAIR = {"prompt": shape.PROMPT, "chosen": shape.BETTER, "rejected": shape.WORSE}
STRENGTHS = dict.fromkeys(KEPT, shape.STRENGTH)

SHAPES = (
    Shape("HH-RLHF", {"chosen": shape.BETTER, "rejected": shape.WORSE}, _is_transcript, read_texts),
    Shape(
        "OpenAI preference",
        {
            "input": shape.CONVERSATION,
            **dict.fromkeys(("preferred_output", "preferred_completion"), shape.BETTER),
            **dict.fromkeys(("non_preferred_output", "non_preferred_completion"), shape.WORSE),
        },
        lambda row: (
            "input" in row
            and bool({"preferred_output", "preferred_completion"} & set(row))
            and bool({"non_preferred_output", "non_preferred_completion"} & set(row))
        ),
        read_openai,
    ),
    Shape(
        "RewardBench 2, RM-Bench",
        {**PAIR, "models": shape.AUTHOR},
        _has_sides,
        read_sides,
        loses=gettext_noop("Answers on one side were not compared with each other, and stay so."),
    ),
    Shape(
        "RewardBench",
        {**PAIR, "chosen_model": shape.AUTHOR, "rejected_model": shape.AUTHOR},
        has("prompt", "chosen", "rejected", "chosen_model", "rejected_model"),
        read_pair,
    ),
    Shape(
        "UltraFeedback binarised",
        {**PAIR, **STRENGTHS},
        has("prompt", "chosen", "rejected", "score_chosen", "score_rejected"),
        read_pair,
    ),
    Shape(
        "preference pairs (TRL, OpenRLHF)",
        {**PAIR, **STRENGTHS, "system": shape.SYSTEM},
        has("prompt", "chosen", "rejected"),
        read_pair,
    ),
    Shape(
        "preference pairs with the prompt in both (TRL, OpenRLHF)",
        {"chosen": shape.BETTER, "rejected": shape.WORSE, **STRENGTHS},
        lambda row: (
            "chosen" in row
            and "rejected" in row
            and not {"conversations", "messages", "instruction", "question"} & set(row)
            and fields.is_messages(fields.cell_of(row["chosen"]))
        ),
        read_pair,
    ),
    Shape(
        "preference texts with the prompt in both (TRL)",
        {"chosen": shape.BETTER, "rejected": shape.WORSE},
        lambda row: set(row) <= {"chosen", "rejected", "margin"} and _is_text(row),
        read_implicit,
        loses=gettext_noop("The prompt is what both texts begin with, cut between two words."),
    ),
)
