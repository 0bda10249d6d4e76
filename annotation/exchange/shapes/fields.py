"""What the shapes read fields with: texts, conversations, who said what, who is better."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from json import JSONDecodeError
from math import isfinite
from typing import Any

from annotation.exchange.shapes.item import Candidate, Judged, Message
from annotation.exchange.untrusted_json import parse_json
from annotation.exchange.wording import Unreadable, gettext_noop

USER, ASSISTANT, SYSTEM = "user", "assistant", "system"
ROLES = {
    **dict.fromkeys(("user", "human", "prompter", "customer", "用户", "问", "客户"), USER),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bing", "bard", "claude"), ASSISTANT),
    **dict.fromkeys(("model", "bot", "chatbot", "ai", "llm", "助手", "答", "客服"), ASSISTANT),
    **dict.fromkeys(("system", "developer", "系统"), SYSTEM),
}
SAYS = {**ROLES, **dict.fromkeys(("input", "question", "prompt", "instruction"), USER)}
SAYS |= dict.fromkeys(("output", "answer", "response"), ASSISTANT)
"""Whose text is under a name, in a turn that has a question and its answer."""
NOTHING = {"", "n/a", "na", "nan", "none", "null", "-"}
TOOLS = {"function", "tool", "function_call", "observation", "tool_call", "ipython"}

NOT_TEXT = gettext_noop("“{field}” is no text.")
NOT_MESSAGES = gettext_noop("“{field}” is no list of messages.")
PYTHON = gettext_noop(
    "“{field}” is a Python list written as a text: save the data as JSON Lines or Parquet."
)
NOT_NUMBER = gettext_noop("“{field}” is no number.")
NOT_LIST = gettext_noop("“{field}” is no list.")
MISSING = gettext_noop("“{field}” is empty.")
NO_VERDICT = gettext_noop("“{field}” is empty: nobody judged it.")
ONE_ANSWER = gettext_noop("“{field}” holds {count} messages, and one answer is wanted.")
HAS_TOOLS = gettext_noop("it has calls of tools (role “{role}”), which are not taken.")
UNKNOWN_ROLE = gettext_noop("nobody knows the role “{role}”.")
HAS_IMAGES = gettext_noop("it has parts that are no text, such as images, which are not taken.")
NO_LAST_ANSWER = gettext_noop("the conversation in “{field}” does not end with an answer.")
NOT_SAME_HEAD = gettext_noop("the two conversations differ before their last answer.")
UNKNOWN_VALUE = gettext_noop("“{field}” is “{value}”, which is none of: {known}.")
WRONG_LENGTH = gettext_noop("“{field}” has {count} values for {answers} answers.")

_WHOLE = re.compile(r"[+-]?\d{1,9}(\.0+)?")
_WRITTEN = re.compile(r"""\[\{(["'])(role|content|from|value)\1:""")

CUT_HEAD = gettext_noop(
    "begins with the assistant: what stands before the first question is left out"
)


def text_of(row: Mapping[str, Any], field: str, default: str | None = None) -> str:
    """Raises Unreadable where there is no text in the field."""
    value = row.get(field)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise Unreadable(MISSING if value is None else NOT_TEXT, field=field)
    return value


def name_of(value: object) -> str:
    """Of a model or a labeler."""
    return str(value).strip()[:100] if value not in (None, "") else ""


def number_of(row: Mapping[str, Any], field: str) -> float | None:
    """A number, also one in a text, with a comma as in much of Europe; None where it is empty."""
    value = row.get(field)
    if isinstance(value, str):
        value = re.sub(r"^\s*(-?\d+),(\d+)\s*$", r"\1.\2", value)
    if value is None or (isinstance(value, str) and value.strip().lower() in NOTHING):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise Unreadable(NOT_NUMBER, field=field) from None
    if not isfinite(number):
        raise Unreadable(NOT_NUMBER, field=field)
    return number


def is_messages(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(_spoken(part) for part in value)


def _spoken(part: object) -> bool:
    return isinstance(part, dict) and (bool({"role", "from"} & set(part)) or _is_exchange(part))


def _is_exchange(part: Mapping[str, Any]) -> bool:
    """{human, assistant}: what each says, by its role."""
    is_text = all(isinstance(said, str | None) for said in part.values())
    roles = [SAYS.get(name.strip().lower()) for name in part]
    return (
        is_text
        and {USER, ASSISTANT} <= set(roles) <= {USER, ASSISTANT, SYSTEM}
        and (len(set(roles)) == len(roles))
    )


def messages_of(value: object, field: str) -> list[Message]:
    """{role, content}, {from, value} or {human, assistant} turns, with our roles; or a text that is
    the question, or a transcript in which the assistant is to go on. Raises Unreadable."""
    parsed = cell_of(value) if isinstance(value, str) and value.startswith("[{") else value
    value = parsed if is_messages(parsed) else value
    if isinstance(value, str):
        _check_no_list(value, field)
        return open_transcript(value) or [{"role": USER, "content": value}]
    if value is None or value == []:
        raise Unreadable(MISSING, field=field)
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        raise Unreadable(NOT_MESSAGES, field=field)
    return [message_of(each, field) for part in value for each in _messages_in(part)]


def _messages_in(part: Any) -> list[Any]:
    if not isinstance(part, dict) or not _is_exchange(part):
        return [part]
    said = {SAYS[name.strip().lower()]: text for name, text in part.items()}
    turns = (SYSTEM, USER, ASSISTANT)
    return [{"role": role, "content": said[role]} for role in turns if said.get(role) is not None]


def _check_no_list(text: str, field: str) -> None:
    """That it is no list of messages of which only its text is left."""
    if found := _WRITTEN.match(text):
        raise Unreadable(PYTHON if found[1] == "'" else NOT_MESSAGES, field=field)


def open_transcript(text: str) -> list[Message]:
    """The turns of "Human: … Assistant:" without an answer; none where it is no such text."""
    text = unix_lines(text)
    if not text.lstrip().startswith("Human:") or not text.rstrip().endswith("\n\nAssistant:"):
        return []
    return transcript_of(text.rstrip())[:-1]


def unix_lines(text: str) -> str:
    """Without what Windows adds to the ends of lines, in which the marks of turns are not found."""
    return text.replace("\r\n", "\n")


def is_python_list(value: object) -> bool:
    """Whether it is a list of texts as Python prints it, which nothing reads without a doubt."""
    text = value.strip() if isinstance(value, str) else ""
    return text[:2] in ("['", '["') and text[-2:] in ("']", '"]')


def list_of(value: object, field: str) -> list[Any]:
    """Also JSON in the cell of a table. Raises Unreadable."""
    found = cell_of(value)
    if is_python_list(found):
        raise Unreadable(PYTHON, field=field)
    if not isinstance(found, list):
        raise Unreadable(NOT_LIST, field=field)
    return found


def message_of(part: Any, field: str) -> Message:
    if not _spoken(part):
        raise Unreadable(NOT_MESSAGES, field=field)
    role = str(part.get("role", part.get("from", ""))).strip().lower()
    if role in TOOLS or part.get("tool_calls") or part.get("function_call"):
        raise Unreadable(HAS_TOOLS, role=role)
    if role not in ROLES:
        raise Unreadable(UNKNOWN_ROLE, role=role[:40])
    content = part.get("content", part.get("value", part.get("text")))
    return {"role": ROLES[role], "content": _content(content, field)}


def _content(content: object, field: str) -> str:
    """A text, or the text parts of a list of nothing else."""
    if isinstance(content, str):
        if "<image>" in content:
            raise Unreadable(HAS_IMAGES)
        return content
    if not isinstance(content, list):
        raise Unreadable(NOT_MESSAGES, field=field)
    texts = []
    for part in content:
        text = part.get("text", part.get("value")) if isinstance(part, dict) else part
        if not isinstance(text, str) or (
            isinstance(part, dict) and part.get("type", "text") != "text"
        ):
            raise Unreadable(HAS_IMAGES)
        texts.append(text)
    return "\n".join(texts)


def asked_and_answer(messages: Sequence[Message], field: str) -> tuple[list[Message], str]:
    """What stands before the last message, and that message, the assistant's."""
    if len(messages) < 2 or messages[-1]["role"] != ASSISTANT:
        raise Unreadable(NO_LAST_ANSWER, field=field)
    return list(messages[:-1]), messages[-1]["content"]


def answer_of(value: object, field: str) -> str:
    """A text, one message of the assistant, or a list of just that one."""
    if isinstance(value, str):
        _check_no_list(value, field)
        return value
    if value is None or value == []:
        raise Unreadable(MISSING, field=field)
    parts = value if isinstance(value, list) else [value]
    if len(parts) != 1:
        raise Unreadable(ONE_ANSWER, field=field, count=len(parts))
    message = message_of(parts[0], field)
    if message["role"] != ASSISTANT:
        raise Unreadable(NO_LAST_ANSWER, field=field)
    return message["content"]


def with_system(messages: list[Message], system: object) -> list[Message]:
    """With a system message before all, where there is one to add."""
    if not isinstance(system, str) or not system.strip() or messages[0]["role"] == SYSTEM:
        return messages
    return [{"role": SYSTEM, "content": system}, *messages]


def turns_before(history: object) -> list[Message]:
    """What LLaMA-Factory's and MedicalGPT's files call the history: [question, answer] pairs."""
    messages: list[Message] = []
    for turn in list_of(history, "history") if history else ():
        is_pair = isinstance(turn, list) and len(turn) == 2
        if not is_pair or not all(isinstance(text, str) for text in turn):
            raise Unreadable(NOT_MESSAGES, field="history")
        messages += [
            {"role": USER, "content": turn[0]},
            {"role": ASSISTANT, "content": turn[1]},
        ]
    return messages


def from_first_question(messages: list[Message]) -> tuple[list[Message], bool]:
    """Without what the assistant says before anybody asked; whether that was cut."""
    system = [message for message in messages[:1] if message["role"] == SYSTEM]
    rest = messages[len(system) :]
    cut = 0
    while cut < len(rest) and rest[cut]["role"] == ASSISTANT:
        cut += 1
    return [*system, *rest[cut:]], cut > 0


def cell_of(value: object) -> Any:
    """JSON in the cell of a table; anything else as it is."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return parse_json(value)
        except JSONDecodeError:
            return value
    return value


def one_of(row: Mapping[str, Any], field: str, known: Mapping[Any, Any]) -> Any:
    """What the table says of the field's value, also of a number in a text, such as 1.0. Raises
    Unreadable for one that is not in it."""
    value = row.get(field)
    key = value.strip().lower() if isinstance(value, str) else value
    if key in (None, ""):
        raise Unreadable(NO_VERDICT, field=field)
    if isinstance(key, str) and key not in known and _WHOLE.fullmatch(key):
        key = int(float(key))
    if isinstance(key, list | dict) or key not in known:
        shown = value if isinstance(value, str) else json.dumps(value, default=str)
        words = ", ".join(dict.fromkeys(map(str, known)))
        raise Unreadable(UNKNOWN_VALUE, field=field, value=shown[:40], known=words)
    return known[key]


def pair(better: str, worse: str, authors: Sequence[str] = ("", "")) -> tuple[Candidate, ...]:
    return (Candidate(better, authors[0]), Candidate(worse, authors[1]))


FIRST, SECOND, TIE = (1, 2), (2, 1), (1, 1)


def by_sign(value: float) -> tuple[int, int]:
    """The ranks of two answers by a strength that is negative where the first is better."""
    return FIRST if value < 0 else SECOND if value > 0 else TIE


def labeler_of(value: object) -> str:
    """The name under which a file's labeler is kept: an address that says who it is, is not."""
    if isinstance(value, dict):
        value = value.get("id") or value.get("username") or value.get("email")
    if isinstance(value, list):
        value = " ".join(map(str, value))
    name = name_of(value)
    if "@" in name:
        return hashlib.sha256(name.encode()).hexdigest()[:12]
    return name or "file"


def ordered(ids: Sequence[Any], order: Sequence[Any], field: str) -> tuple[int | None, ...]:
    """Ranks by a list of ids, the best first; None for those that are not in it."""
    places = {str(each): rank for rank, each in enumerate(order, start=1)}
    if len(places) != len(order) or not set(places) <= {str(each) for each in ids}:
        raise Unreadable(WRONG_LENGTH, field=field, count=len(order), answers=len(ids))
    return tuple(places.get(str(each)) for each in ids)


def graded(grades: Sequence[float | None], **more: Any) -> Judged:
    return Judged(grades=tuple(grades), **more)


def transcript_of(text: str) -> list[Message]:
    """The turns of "\\n\\nHuman: … \\n\\nAssistant: …"; a role inside a turn is part of it only
    where it does not stand at a paragraph's beginning."""
    parts = re.split(r"(?:^|\n\n)(Human|Assistant):(?: |$)", text)
    turns: list[Message] = []
    for role, content in zip(parts[1::2], parts[2::2], strict=True):
        ours = ROLES[role.lower()]
        if turns and turns[-1]["role"] == ours:
            turns[-1]["content"] += f"\n\n{role}: {content}"
        else:
            turns.append({"role": ours, "content": content})
    return turns
