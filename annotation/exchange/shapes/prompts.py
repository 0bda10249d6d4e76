"""A prompt with little beside it: TRL's other types, plain prompts, raw text."""

from annotation.exchange.prompts import NewPrompt, prompt_of
from annotation.exchange.shapes import fields, shape
from annotation.exchange.shapes.conversations import GOOD_OR_BAD
from annotation.exchange.shapes.item import Candidate, Item, Judged
from annotation.exchange.shapes.shape import Object, Shape, has
from annotation.exchange.wording import gettext_noop

QUESTIONS = ("question", "instruction", "query", "问题", "提示", "指令")
ANSWERED = ("answer", "response", "output", "target", "回答", "答案")


def read_unpaired(row: Object) -> Item:
    answer = Candidate(fields.answer_of(fields.cell_of(row["completion"]), "completion"))
    judged = Judged(grades=(float(fields.one_of(row, "label", GOOD_OR_BAD)),), is_thumbs=True)
    return Item(fields.messages_of(row["prompt"], "prompt"), (answer,), (judged,))


def read_completion(row: Object) -> Item:
    answer = fields.answer_of(fields.cell_of(row["completion"]), "completion")
    return Item(fields.messages_of(row["prompt"], "prompt"), demonstration=answer)


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
    messages = fields.messages_of(fields.text_of(row, name), name)
    if answer is None:
        return Item(messages)
    return Item(messages, demonstration=fields.answer_of(answer, "answer"))


def _is_question(row: Object) -> bool:
    asked, answered = set(QUESTIONS) & set(row), set(ANSWERED) & set(row)
    return len(asked) == 1 and len(answered) <= 1 and len(row) == len(asked) + len(answered)


def _is_prompt(row: Object) -> bool:
    others = {"lang", "language", "answers", "id", "split", "tags"}
    return (
        "prompt" in row
        and set(row) <= {"prompt", *others}
        and not isinstance(row.get("answers"), list)
    )


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
        },
        _is_question,
        read_question,
    ),
    Shape(
        "raw text (TRL language modeling)",
        {"text": shape.TEXT},
        lambda row: set(row) <= {"text", "id", "meta", "source", "url", "title"} and "text" in row,
        lambda row: Item(text=fields.text_of(row, "text")),
    ),
)
