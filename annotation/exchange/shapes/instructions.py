"""An instruction with its input: Alpaca and its pairs, alpaca_eval, PandaLM, LLMBar."""

from annotation.exchange.shapes import fields, shape
from annotation.exchange.shapes.item import Candidate, Item, Judged, Message
from annotation.exchange.shapes.preference import preference
from annotation.exchange.shapes.shape import Object, Shape, has
from annotation.exchange.wording import Unreadable, gettext_noop

NO_VERDICT = gettext_noop("“{field}” is empty: nobody judged it.")


def _asked(row: Object) -> list[Message]:
    """Instruction and input as LLaMA-Factory joins them, after the turns before."""
    instruction, more = fields.text_of(row, "instruction"), fields.text_of(row, "input", "")
    question = f"{instruction}\n{more}" if more.strip() else instruction
    messages: list[Message] = []
    history = fields.cell_of(row.get("history"))
    for turn in history if isinstance(history, list) else ():
        if (
            not isinstance(turn, list)
            or len(turn) != 2
            or not all(isinstance(t, str) for t in turn)
        ):
            raise Unreadable(fields.NOT_MESSAGES, field="history")
        messages += [
            {"role": fields.USER, "content": turn[0]},
            {"role": fields.ASSISTANT, "content": turn[1]},
        ]
    messages.append({"role": fields.USER, "content": question})
    return fields.with_system(messages, row.get("system"))


def read_demonstration(row: Object) -> Item:
    output = fields.text_of(row, "output")
    return Item(_asked(row), demonstration=output) if output.strip() else Item(_asked(row))


def read_pair(row: Object) -> Item:
    chosen, rejected = fields.text_of(row, "chosen"), fields.text_of(row, "rejected")
    return preference(_asked(row), chosen, rejected)


def read_outputs(row: Object) -> Item:
    """A model's answers to be judged."""
    answer = Candidate(fields.text_of(row, "output"), fields.name_of(row["generator"]))
    return Item(_asked(row), (answer,))


def read_alpaca_eval(row: Object) -> Item:
    """From 1, the first is better, to 2; 1.5 is a tie. Older files have 0 for a tie, 1 and 2."""
    preferred = fields.number_of(row, "preference")
    if preferred is None:
        raise Unreadable(NO_VERDICT, field="preference")
    if preferred not in (0,) and not 1 <= preferred <= 2:
        raise Unreadable(
            fields.UNKNOWN_VALUE, field="preference", value=str(preferred), known="1 … 2, 0"
        )
    ranks = fields.TIE if preferred == 0 else fields.by_sign(preferred - 1.5)
    answers = (fields.text_of(row, "output_1"), fields.text_of(row, "output_2"))
    names = (fields.name_of(row.get("generator_1")), fields.name_of(row.get("generator_2")))
    judged = Judged(fields.labeler_of(row.get("annotator")), ranks, given={"preference": preferred})
    return Item(_asked(row), fields.pair(*answers, names), (judged,))


def read_panda(row: Object) -> Item:
    answers = (fields.text_of(row, "response1"), fields.text_of(row, "response2"))
    names = sorted(name for name in row if name.startswith("annotator"))
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
BOTH = {"output_1": shape.ANSWER, "output_2": shape.ANSWER}

SHAPES = (
    Shape(
        "alpaca_eval",
        {
            **{"instruction": shape.PROMPT, **BOTH, "preference": shape.VERDICT},
            **dict.fromkeys(("generator_1", "generator_2"), shape.AUTHOR),
            "annotator": shape.LABELER,
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
        {**ASKED, "chosen": shape.BETTER, "rejected": shape.WORSE},
        has("instruction", "chosen", "rejected"),
        read_pair,
    ),
    Shape(
        "answers of a model (alpaca_eval)",
        {"instruction": shape.PROMPT, "output": shape.ANSWER, "generator": shape.AUTHOR},
        has("instruction", "output", "generator"),
        read_outputs,
    ),
    Shape(
        "questions with pairs (Orca)",
        {
            "question": shape.PROMPT,
            "system": shape.SYSTEM,
            "chosen": shape.BETTER,
            "rejected": shape.WORSE,
        },
        has("question", "chosen", "rejected"),
        lambda row: read_pair({**row, "instruction": row["question"], "input": ""}),
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
