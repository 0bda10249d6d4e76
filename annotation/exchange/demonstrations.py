"""Reading demonstrations: JSON Lines of {"messages": [...], "lang"?}, the last one the answer."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from json import JSONDecodeError
from typing import Any

from annotation.exchange.prompts import (
    UnreadablePrompt,
    check_language,
    check_messages,
    check_text,
    unreadable_line,
)
from annotation.exchange.untrusted_json import parse_json
from annotation.exchange.wording import gettext_noop


@dataclass(frozen=True)
class NewDemonstration:
    """A prompt to be added, and the answer that a person wrote to it."""

    prompt: list[dict[str, str]]
    answer: str
    language: str = ""


def parse_demonstrations(lines: Iterable[str]) -> Iterator[NewDemonstration]:
    """Raises UnreadablePrompt at the first line that is no demonstration."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield _demonstration(parse_json(line))
            except (UnreadablePrompt, JSONDecodeError) as problem:
                raise unreadable_line(number, problem) from problem


def _demonstration(value: Any) -> NewDemonstration:
    messages = value.get("messages") if isinstance(value, dict) else None
    if not isinstance(messages, list) or len(messages) < 2:
        raise UnreadablePrompt(gettext_noop('"messages" must be a list that ends with the answer.'))
    *prompt, last = messages
    answer = last.get("content") if isinstance(last, dict) else None
    if not isinstance(answer, str) or not answer.strip() or last.get("role") != "assistant":
        raise UnreadablePrompt(
            gettext_noop("the last message must be the assistant's, with a text.")
        )
    check_text(answer)
    return NewDemonstration(check_messages(prompt), answer, check_language(value.get("lang")))
