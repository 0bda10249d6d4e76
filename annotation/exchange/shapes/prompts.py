"""A prompt with little beside it: TRL's other types, plain prompts, raw text."""

from annotation.exchange.prompts import NewPrompt, prompt_of
from annotation.exchange.shapes import fields, shape
from annotation.exchange.shapes.conversations import good_or_bad
from annotation.exchange.shapes.item import Candidate, Item
from annotation.exchange.shapes.names import is_index
from annotation.exchange.shapes.shape import Object, Shape, has
from annotation.exchange.wording import gettext_noop

QUESTIONS = (
    *("question", "instruction", "prompt", "query", "input", "user"),
    *("问题", "提示", "指令"),
)
ANSWERED = ("answer", "response", "output", "target", "assistant", "回答", "答案", "输出")
BESIDE = {"system", "lang", "language", "category", "source"}


def read_unpaired(row: Object) -> Item:
    answer = Candidate(fields.answer_of(fields.cell_of(row["completion"]), "completion"))
    asked = fields.messages_of(row["prompt"], "prompt")
    return Item(asked, (answer,), (good_or_bad(row, "label"),))


def read_completion(row: Object) -> Item:
    """The last answer of the completion is learned; what stands before it is part of the
    question."""
    asked = fields.messages_of(row["prompt"], "prompt")
    completion = fields.cell_of(row["completion"])
    if isinstance(completion, list) and len(completion) > 1:
        more, answer = fields.asked_and_answer(
            fields.messages_of(completion, "completion"), "completion"
        )
        return Item([*asked, *more], demonstration=answer)
    return Item(asked, demonstration=fields.answer_of(completion, "completion"))


def read_prompt(row: Object) -> Item:
    messages = fields.messages_of(row["prompt"], "prompt")
    language = row.get("lang", row.get("language"))
    answers = row.get("answers")
    wanted = int(answers) if isinstance(answers, str) and answers.isdecimal() else answers
    new: NewPrompt = prompt_of({"prompt": messages, "lang": language, "answers": wanted or None})
    return Item(new.messages, language=new.language, answers_wanted=new.answers_wanted)


def read_question(row: Object) -> Item:
    name = next(name for name in QUESTIONS if name in row)
    answer = next((row[name] for name in ANSWERED if name in row), None)
    messages = fields.with_system(fields.messages_of(row[name], name), row.get("system"))
    language = fields.name_of(row.get("lang", row.get("language")))[:20]
    if answer is None:
        return Item(messages, language=language)
    answer = fields.answer_of(fields.cell_of(answer), "answer")
    return Item(messages, demonstration=answer, language=language)


def _is_question(row: Object) -> bool:
    names = {name for name in row if name not in BESIDE and not is_index(name)}
    asked, answered = set(QUESTIONS) & names, set(ANSWERED) & names
    return len(asked) == 1 and len(answered) <= 1 and names == asked | answered


def _is_prompt(row: Object) -> bool:
    named = {"prompt", "lang", "language", "answers", "split", "tags"}
    return (
        "prompt" in row
        and all(name in named or is_index(name) for name in row)
        and not isinstance(row.get("answers"), list)
    )


def _is_text(row: Object) -> bool:
    named = {"text", "meta", "source", "url", "title"}
    return "text" in row and all(name in named or is_index(name) for name in row)


SHAPES = (
    Shape(
        "stepwise supervision (TRL)",
        {},
        has("prompt", "completions", "labels"),
        refuses=gettext_noop(
            "The file judges single steps of an answer (stepwise supervision): nothing here learns "
            "from steps."
        ),
    ),
    Shape(
        "answers with good or bad (TRL unpaired)",
        {"prompt": shape.PROMPT, "completion": shape.ANSWER, "label": shape.GOOD},
        has("prompt", "completion", "label"),
        read_unpaired,
    ),
    Shape(
        "prompts with completions (TRL)",
        {"prompt": shape.PROMPT, "completion": shape.DEMONSTRATION},
        has("prompt", "completion"),
        read_completion,
    ),
    Shape(
        "prompts",
        {
            "prompt": shape.PROMPT,
            "lang": shape.LANGUAGE,
            "language": shape.LANGUAGE,
            "answers": shape.WANTED,
        },
        _is_prompt,
        read_prompt,
    ),
    Shape(
        "questions",
        {
            **dict.fromkeys(QUESTIONS, shape.PROMPT),
            **dict.fromkeys(ANSWERED, shape.DEMONSTRATION),
            "system": shape.SYSTEM,
            **dict.fromkeys(("lang", "language"), shape.LANGUAGE),
        },
        _is_question,
        read_question,
    ),
    Shape(
        "raw text (TRL language modeling)",
        {"text": shape.TEXT},
        _is_text,
        lambda row: Item(text=fields.text_of(row, "text")),
    ),
)
