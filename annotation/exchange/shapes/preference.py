"""A chosen and a rejected answer: TRL, OpenRLHF, UltraFeedback binarised, HH-RLHF, OpenAI."""

from typing import Any

from annotation.exchange.shapes import fields, names, shape
from annotation.exchange.shapes.item import Candidate, Item, Judged, Message
from annotation.exchange.shapes.names import meaning_of
from annotation.exchange.shapes.shape import Object, Shape, has
from annotation.exchange.wording import Unreadable, gettext_noop

NO_PROMPT = gettext_noop(
    "the two texts have no common beginning that is a question: there is no telling what was asked."
)
SCORES = (
    ("score_chosen", "score_rejected"),
    ("chosen_score", "rejected_score"),
    ("rating_chosen", "rating_rejected"),
    ("chosen_rating", "rejected_rating"),
    ("chosen-rating", "rejected-rating"),
    ("chosen_avg_rating", "rejected_avg_rating"),
)
KEPT = ("margin", "strength", "confidence", *(name for both in SCORES for name in both))
AUTHORS = ("chosen_model", "rejected_model", "chosen-model", "rejected-model")
EQUAL_SCORES = gettext_noop("the scores are equal, and yet one answer is called better")


def preference(
    messages: list[Message],
    chosen: str,
    rejected: str,
    authors: tuple[str, str] = ("", ""),
    given: dict[str, Any] | None = None,
    notes: tuple[str, ...] = (),
    language: str = "",
) -> Item:
    candidates = fields.pair(chosen, rejected, authors)
    judged = Judged(ranks=fields.FIRST, given=given or {})
    return Item(messages, candidates, (judged,), language=language, notes=notes)


def beside(row: Object) -> dict[str, Any]:
    """For `preference`: the language, who answered, the numbers beside the pair, and what is odd
    about them."""
    numbers = ((name, _number(row, name)) for name in KEPT)
    given = {name: number for name, number in numbers if number is not None}
    is_odd = any(one in given and given[one] == given.get(other) for one, other in SCORES)
    return {
        "given": given,
        "notes": (EQUAL_SCORES,) if is_odd else (),
        "language": fields.name_of(row.get("lang", row.get("language")))[:20],
        "authors": (_author(row, "chosen"), _author(row, "rejected")),
    }


def _number(row: Object, name: str) -> float | None:
    try:
        return fields.number_of(row, name)
    except Unreadable:  # a word, which says nothing here
        return None


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
    answers = _without_transcript(prompt, answers)
    messages = fields.with_system(messages, system)
    return preference(messages, answers[0], answers[1], **beside(row))


def _author(row: Object, side: str) -> str:
    return fields.name_of(row.get(f"{side}_model", row.get(f"{side}-model")))


def _without_transcript(prompt: object, answers: list[str]) -> list[str]:
    """The answers alone, where each repeats the transcript before it."""
    if not isinstance(prompt, str) or not fields.open_transcript(prompt):
        return answers
    if all(answer.startswith(prompt) for answer in answers):
        answers = [answer[len(prompt) :] for answer in answers]
    return [answer.removeprefix(" ") for answer in answers]


def read_texts(row: Object) -> Item:
    """Two whole texts that begin alike: HH-RLHF's transcripts."""
    chosen, rejected = (
        fields.unix_lines(fields.text_of(row, name)) for name in ("chosen", "rejected")
    )
    mark = "\n\nAssistant:"
    at = _common_head(chosen, rejected).rfind(mark)
    if at < 0:
        raise Unreadable(NO_PROMPT)
    better, worse = (text[at + len(mark) :].removeprefix(" ") for text in (chosen, rejected))
    return preference(fields.transcript_of(chosen[:at]), better, worse, **beside(row))


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
    return preference(messages, gap + chosen[at:], gap + rejected[at:], **beside(row))


def _common_head(one: str, other: str) -> str:
    """What both begin with, by halving what may be it."""
    known, most = 0, min(len(one), len(other))
    while known < most:
        half = (known + most + 1) // 2
        known, most = (half, most) if one.startswith(other[:half]) else (known, half - 1)
    return one[:known]


def read_openai(row: Object) -> Item:
    given = fields.cell_of(row["input"])
    messages = given.get("messages") if isinstance(given, dict) else given
    if isinstance(given, dict) and given.get("tools"):
        raise Unreadable(fields.HAS_TOOLS, role="tools")
    chosen, rejected = (
        fields.answer_of(
            fields.cell_of(row.get(f"{name}_output", row.get(f"{name}_completion"))), name
        )
        for name in ("preferred", "non_preferred")
    )
    return preference(fields.messages_of(messages, "input"), chosen, rejected)


def read_sides(row: Object) -> Item:
    """Lists on both sides: each chosen answer is better than each rejected one, and no more is
    known."""
    sides = [fields.list_of(row[name], name) for name in ("chosen", "rejected")]
    answers = [fields.answer_of(each, "chosen") for side in sides for each in side]
    models = fields.cell_of(row.get("models"))
    names = (
        models if isinstance(models, list) and len(models) == len(answers) else [""] * len(answers)
    )
    count = len(sides[0])
    pairs = tuple((b, w) for b in range(count) for w in range(count, len(answers)))
    judged = Judged(given={"pairs": pairs})
    candidates = tuple(map(Candidate, answers, map(fields.name_of, names)))
    return Item(fields.messages_of(row["prompt"], "prompt"), candidates, (judged,))


def _is_alone(row: Object) -> bool:
    """Whether nothing beside the pair holds the question."""
    return {"chosen", "rejected"} <= set(row) and not any(
        name not in WHOLE
        and (meaning_of(name) == names.PROMPT or fields.is_messages(fields.cell_of(row[name])))
        for name in row
    )


def _are_texts(row: Object) -> bool:
    return _is_alone(row) and all(
        isinstance(row[name], str) and not row[name].startswith("[{")
        for name in ("chosen", "rejected")
    )


def _is_transcript(row: Object) -> bool:
    return _are_texts(row) and "\n\nAssistant:" in fields.unix_lines(row["chosen"])


def _are_conversations(row: Object) -> bool:
    """Also those that are Python lists in a cell, which reading them then refuses."""
    if not _is_alone(row):
        return False
    chosen = fields.cell_of(row["chosen"])
    return fields.is_messages(chosen) or (isinstance(chosen, str) and chosen.startswith("[{"))


def _has_sides(row: Object) -> bool:
    """Also those that are Python lists in a cell, which reading them then refuses."""
    sides = [fields.cell_of(row.get(name)) for name in ("chosen", "rejected")]
    return "prompt" in row and all(map(_is_side, sides))


def _is_side(value: object) -> bool:
    is_list = isinstance(value, list) and bool(value) and all(isinstance(v, str) for v in value)
    return is_list or fields.is_python_list(value)


WHOLE = {"chosen": shape.BETTER, "rejected": shape.WORSE}
PAIR = {"prompt": shape.PROMPT, **WHOLE}
BESIDE = {
    **dict.fromkeys(KEPT, shape.STRENGTH),
    **dict.fromkeys(AUTHORS, shape.AUTHOR),
    **dict.fromkeys(("lang", "language"), shape.LANGUAGE),
}

SHAPES = (
    Shape("HH-RLHF", {**WHOLE, **BESIDE}, _is_transcript, read_texts),
    Shape(
        "red-team attempts (HH-RLHF)",
        {},
        has("transcript", "min_harmlessness_score_transcript"),
        refuses=gettext_noop(
            "The file holds attempts to make a model say something harmful, one conversation each: "
            "there are no answers to compare, and none to be learned."
        ),
    ),
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
        {**PAIR, **BESIDE},
        has("prompt", "chosen", "rejected", "chosen_model", "rejected_model"),
        read_pair,
    ),
    Shape(
        "UltraFeedback binarised",
        {**PAIR, **BESIDE},
        has("prompt", "chosen", "rejected", "score_chosen", "score_rejected"),
        read_pair,
    ),
    Shape(
        "preference pairs (TRL, OpenRLHF)",
        {**PAIR, **BESIDE, "system": shape.SYSTEM},
        has("prompt", "chosen", "rejected"),
        read_pair,
    ),
    Shape(
        "preference pairs with the prompt in both (TRL, OpenRLHF)",
        {**WHOLE, **BESIDE, "system": shape.SYSTEM},
        _are_conversations,
        read_pair,
    ),
    Shape(
        "preference texts with the prompt in both (TRL)",
        {**WHOLE, **BESIDE},
        _are_texts,
        read_implicit,
        loses=gettext_noop("The prompt is what both texts begin with, cut between two words."),
    ),
)
