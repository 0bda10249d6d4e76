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
    **dict.fromkeys(("user", "human", "prompter", "用户"), USER),
    **dict.fromkeys(
        ("assistant", "gpt", "chatgpt", "bing", "bard", "model", "ai", "助手"), ASSISTANT
    ),
    **dict.fromkeys(("system", "developer"), SYSTEM),
}
TOOLS = {"function", "tool", "function_call", "observation", "tool_call", "ipython"}

NOT_TEXT = gettext_noop("“{field}” is no text.")
NOT_MESSAGES = gettext_noop("“{field}” is no list of messages.")
PYTHON = gettext_noop(
    "“{field}” is a Python list written as a text: save the data as JSON Lines or Parquet."
)
NOT_NUMBER = gettext_noop("“{field}” is no number.")
HAS_TOOLS = gettext_noop("it has calls of tools (role “{role}”), which are not taken.")
UNKNOWN_ROLE = gettext_noop("nobody knows the role “{role}”.")
HAS_IMAGES = gettext_noop("it has parts that are no text, such as images, which are not taken.")
NO_LAST_ANSWER = gettext_noop("the conversation in “{field}” does not end with an answer.")
NOT_SAME_HEAD = gettext_noop("the two conversations differ before their last answer.")
UNKNOWN_VALUE = gettext_noop("“{field}” is “{value}”, which is none of: {known}.")
WRONG_LENGTH = gettext_noop("“{field}” has {count} values for {answers} answers.")

CUT_HEAD = gettext_noop(
    "begins with the assistant: what stands before the first question is left out"
)


def text_of(row: Mapping[str, Any], field: str, default: str | None = None) -> str:
    """Raises Unreadable where there is no text in the field."""
    value = row.get(field)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise Unreadable(NOT_TEXT, field=field)
    return value


def name_of(value: object) -> str:
    """Of a model or a labeler."""
    return str(value).strip()[:100] if value not in (None, "") else ""


def number_of(row: Mapping[str, Any], field: str) -> float | None:
    """A number, also one in a text; None where it is empty or N/A."""
    value = row.get(field)
    if value is None or value == "" or value == "N/A":
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
    return isinstance(part, dict) and bool({"role", "from"} & set(part))


def messages_of(value: object, field: str) -> list[Message]:
    """{role, content} or {from, value} messages, with our roles. Raises Unreadable."""
    value = cell_of(value) if isinstance(value, str) and value.startswith("[{") else value
    if isinstance(value, str):
        if value.startswith("[{'"):
            raise Unreadable(PYTHON, field=field)
        return [{"role": USER, "content": value}]
    if not isinstance(value, list) or not value:
        raise Unreadable(NOT_MESSAGES, field=field)
    return [message_of(part, field) for part in value]


def message_of(part: object, field: str) -> Message:
    if not isinstance(part, dict):
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
        return value
    parts = value if isinstance(value, list) else [value]
    if len(parts) != 1:
        raise Unreadable(NOT_TEXT, field=field)
    message = message_of(parts[0], field)
    if message["role"] != ASSISTANT:
        raise Unreadable(NO_LAST_ANSWER, field=field)
    return message["content"]


def with_system(messages: list[Message], system: object) -> list[Message]:
    """With a system message before all, where there is one to add."""
    if not isinstance(system, str) or not system.strip() or messages[0]["role"] == SYSTEM:
        return messages
    return [{"role": SYSTEM, "content": system}, *messages]


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
    """What the table says of the field's value. Raises Unreadable for one that is not in it."""
    value = row.get(field)
    key = value.strip().lower() if isinstance(value, str) else value
    if isinstance(key, list | dict) or key not in known:
        shown = json.dumps(value, ensure_ascii=False, default=str)[:40]
        raise Unreadable(
            UNKNOWN_VALUE, field=field, value=shown, known=", ".join(str(each) for each in known)
        )
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
