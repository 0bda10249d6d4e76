"""An instruction with its input: Alpaca and its pairs, alpaca_eval, PandaLM, LLMBar."""

from annotation.exchange.shapes import fields, shape
from annotation.exchange.shapes.conversations import LABELS, good_or_bad, is_labelled
from annotation.exchange.shapes.item import Candidate, Item, Judged, Message
from annotation.exchange.shapes.preference import BESIDE, beside, preference
from annotation.exchange.shapes.shape import Object, Shape, has
from annotation.exchange.wording import Unreadable, gettext_noop

CHOSEN, REJECTED = (
    ("chosen", "response_chosen", "chosen_response"),
    ("rejected", "response_rejected", "rejected_response"),
)
ASKED_AS = ("instruction", "question", "input", "query")


def _asked(row: Object) -> list[Message]:
    """Instruction and input as LLaMA-Factory joins them, after the turns before."""
    instruction, more = fields.text_of(row, "instruction"), fields.text_of(row, "input", "")
    question = f"{instruction}\n{more}" if more.strip() else instruction
    messages = [
        *fields.turns_before(row.get("history")),
        {"role": fields.USER, "content": question},
    ]
    return fields.with_system(messages, row.get("system"))


def read_demonstration(row: Object) -> Item:
    output = fields.text_of(row, "output")
    return Item(_asked(row), demonstration=output) if output.strip() else Item(_asked(row))


def read_pair(row: Object) -> Item:
    chosen, rejected = (
        fields.answer_of(fields.cell_of(row[name]), name)
        for name in (_first(CHOSEN, row), _first(REJECTED, row))
    )
    return preference(_asked(row), chosen, rejected, **beside(row))


def read_question_pair(row: Object) -> Item:
    """With another name for the instruction, which has no input then."""
    asked = fields.text_of(row, _first(ASKED_AS, row))
    return read_pair({**row, "instruction": asked, "input": ""})


def _first(names: tuple[str, ...], row: Object) -> str:
    return next(name for name in names if name in row)


def _has_pair(row: Object) -> bool:
    return any(name in row for name in CHOSEN) and any(name in row for name in REJECTED)


def read_older_pair(row: Object) -> Item:
    """Both answers under `output`, the better one first, as LLaMA-Factory had them until 2024."""
    answers = fields.list_of(row["output"], "output")
    if len(answers) != 2:
        raise Unreadable(fields.WRONG_LENGTH, field="output", count=len(answers), answers=2)
    return read_pair({**row, "chosen": answers[0], "rejected": answers[1]})


def read_labelled(row: Object) -> Item:
    """Good or bad (KTO)."""
    answer = Candidate(fields.text_of(row, "output"))
    name = _first(LABELS, row)
    return Item(_asked(row), (answer,), (good_or_bad(row, name),))


def read_outputs(row: Object) -> Item:
    """A model's answers to be judged."""
    answer = Candidate(fields.text_of(row, "output"), fields.name_of(row["generator"]))
    return Item(_asked(row), (answer,))


def read_alpaca_eval(row: Object) -> Item:
    """From 1, the first is better, to 2; 1.5 is a tie. Older files have 0 for a tie, 1 and 2."""
    preferred = fields.number_of(row, "preference")
    if preferred is None:
        raise Unreadable(fields.NO_VERDICT, field="preference")
    if preferred not in (0,) and not 1 <= preferred <= 2:
        raise Unreadable(
            fields.UNKNOWN_VALUE, field="preference", value=str(preferred), known="1 … 2, 0"
        )
    ranks = fields.TIE if preferred == 0 else fields.by_sign(preferred - 1.5)
    answers = (fields.text_of(row, "output_1"), fields.text_of(row, "output_2"))
    names = (fields.name_of(row.get("generator_1")), fields.name_of(row.get("generator_2")))
    who = row.get("annotator", row.get("annotator_index"))
    judged = Judged(fields.labeler_of(who), ranks, given={"preference": preferred})
    return Item(_asked(row), fields.pair(*answers, names), (judged,))


def read_panda(row: Object) -> Item:
    answers = (fields.text_of(row, "response1"), fields.text_of(row, "response2"))
    every = sorted(name for name in row if name.startswith("annotator"))
    names = [name for name in every if row[name] not in (None, "")] or every[:1]
    table = {**dict.fromkeys((0, "0"), fields.TIE), **dict.fromkeys((1, "1"), fields.FIRST)}
    table |= dict.fromkeys((2, "2"), fields.SECOND)
    judged = tuple(Judged(name, fields.one_of(row, name, table)) for name in names)
    return Item(_asked(row), fields.pair(*answers), judged)


def read_llmbar(row: Object) -> Item:
    answers = (fields.text_of(row, "output_1"), fields.text_of(row, "output_2"))
    table = {1: fields.FIRST, 2: fields.SECOND, "1": fields.FIRST, "2": fields.SECOND}
    judged = Judged(ranks=fields.one_of(row, "label", table))
    messages = fields.messages_of(fields.text_of(row, "input"), "input")
    return Item(messages, fields.pair(*answers), (judged,))


ASKED = {
    "instruction": shape.PROMPT,
    "input": gettext_noop("what the instruction is about, put behind it"),
    "system": shape.SYSTEM,
    "history": gettext_noop("the turns before"),
}
PAIR = {
    **dict.fromkeys(CHOSEN, shape.BETTER),
    **dict.fromkeys(REJECTED, shape.WORSE),
    **BESIDE,
}
BOTH = {"output_1": shape.ANSWER, "output_2": shape.ANSWER}

SHAPES = (
    Shape(
        "alpaca_eval",
        {
            **{**ASKED, **BOTH, "preference": shape.VERDICT},
            **dict.fromkeys(("generator_1", "generator_2"), shape.AUTHOR),
            **dict.fromkeys(("annotator", "annotator_index"), shape.LABELER),
        },
        has("instruction", "output_1", "output_2", "preference"),
        read_alpaca_eval,
    ),
    Shape(
        "PandaLM",
        {
            **ASKED,
            **dict.fromkeys(("response1", "response2"), shape.ANSWER),
            "annotator*": shape.VERDICT,
        },
        has("instruction", "response1", "response2", "annotator1"),
        read_panda,
    ),
    Shape(
        "LLMBar",
        {"input": shape.PROMPT, **BOTH, "label": shape.VERDICT},
        has("input", "output_1", "output_2", "label"),
        read_llmbar,
    ),
    Shape(
        "instructions with pairs (Alpaca, LLaMA-Factory)",
        {**ASKED, **PAIR},
        lambda row: "instruction" in row and _has_pair(row),
        read_pair,
    ),
    Shape(
        "instructions with both answers (older LLaMA-Factory)",
        {**ASKED, "output": shape.BETTER_AND_WORSE},
        lambda row: "instruction" in row and isinstance(fields.cell_of(row.get("output")), list),
        read_older_pair,
    ),
    Shape(
        "instructions with good or bad (KTO)",
        {**ASKED, "output": shape.ANSWER, **dict.fromkeys(LABELS, shape.GOOD)},
        lambda row: {"instruction", "output"} <= set(row) and is_labelled(row),
        read_labelled,
    ),
    Shape(
        "answers of a model (alpaca_eval)",
        {"instruction": shape.PROMPT, "output": shape.ANSWER, "generator": shape.AUTHOR},
        has("instruction", "output", "generator"),
        read_outputs,
    ),
    Shape(
        "questions with pairs (Orca, MedicalGPT)",
        {
            **dict.fromkeys(ASKED_AS, shape.PROMPT),
            "system": shape.SYSTEM,
            "history": ASKED["history"],
            **PAIR,
        },
        lambda row: (
            any(name in row for name in ASKED_AS) and "prompt" not in row and _has_pair(row)
        ),
        read_question_pair,
    ),
    Shape(
        "instructions (Dolly)",
        {
            "instruction": shape.PROMPT,
            "context": ASKED["input"],
            "response": shape.DEMONSTRATION,
        },
        has("instruction", "context", "response"),
        lambda row: read_demonstration(
            {**row, "input": row["context"] or "", "output": row["response"]}
        ),
    ),
    Shape(
        "instructions (Alpaca)",
        {**ASKED, "output": shape.DEMONSTRATION},
        has("instruction", "output"),
        read_demonstration,
    ),
)
