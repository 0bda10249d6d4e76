"""Reading prompts from JSON Lines or plain text, one prompt a line."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from json import JSONDecodeError
from typing import Any

from annotation.exchange.jsonl import holds_half_characters
from annotation.exchange.tags import tags_of
from annotation.exchange.untrusted_json import LIMITS, UnreadableJson, parse_json
from annotation.exchange.wording import Unreadable, gettext_noop

ROLES = ("system", "user", "assistant")
LONGEST_LANGUAGE = 20
FEWEST_ANSWERS, MOST_ANSWERS = 2, 9  # to one prompt, as many as a labeler can put in order


class UnreadablePrompt(Unreadable):
    """Says which line is wrong, in what, and what to do."""


def unreadable_line(line: int, problem: Unreadable | JSONDecodeError) -> UnreadablePrompt:
    """The same problem, with the number of its line."""
    if isinstance(problem, Unreadable):
        return UnreadablePrompt(problem.template, **{**problem.values, "line": line})
    if isinstance(problem, UnreadableJson):
        return UnreadablePrompt(problem.fault, **LIMITS, line=line)
    template = gettext_noop("this is no JSON from character {column} on.")
    return UnreadablePrompt(template, column=problem.colno, line=line)


@dataclass(frozen=True)
class NewPrompt:
    """One prompt to be added: chat messages, language, number of answers wanted, tags."""

    messages: list[dict[str, str]]
    language: str = ""
    answers_wanted: int | None = None
    tags: tuple[str, ...] = ()


def parse_prompts(lines: Iterable[str], first: int = 1) -> Iterator[NewPrompt]:
    """Each non-empty line is a JSON object {"prompt": text or messages, "lang"?, "answers"?,
    "tags"?}, or else the text of a single-turn prompt.

    Raises UnreadablePrompt at the first line that is neither; `first` is the number of the lines'
    first in what they are of.
    """
    for number, line in enumerate(lines, start=first):
        line = line.strip().lstrip("\ufeff")
        if not line:
            continue
        try:
            value = parse_json(line) if line.startswith("{") else {"prompt": line}
            yield prompt_of(value)
        except (Unreadable, JSONDecodeError) as problem:
            raise unreadable_line(number, problem) from problem


def prompt_of(value: dict[str, Any]) -> NewPrompt:
    """Raises Unreadable."""
    prompt = value.get("prompt", value.get("messages"))
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    wanted = value.get("answers")
    counts = range(FEWEST_ANSWERS, MOST_ANSWERS + 1)
    if wanted is not None and (type(wanted) is not int or wanted not in counts):
        template = gettext_noop('"answers" must be a whole number from {fewest} to {most}.')
        raise UnreadablePrompt(template, fewest=FEWEST_ANSWERS, most=MOST_ANSWERS)
    return NewPrompt(
        messages=check_messages(messages),
        language=check_language(value.get("lang")),
        answers_wanted=wanted,
        tags=tags_of(value.get("tags")),
    )


def check_text(text: str) -> None:
    """Raises UnreadablePrompt for what a database or a UTF-8 file cannot hold."""
    if "\x00" in text:
        raise UnreadablePrompt(gettext_noop("a message contains a null character: remove it."))
    if holds_half_characters(text):
        raise UnreadablePrompt(
            gettext_noop("a message contains half a character (such as \\ud83d): remove it.")
        )


def check_language(value: object) -> str:
    """A tag such as en or zh, or nothing. Raises UnreadablePrompt."""
    language = str(value or "")
    if len(language) > LONGEST_LANGUAGE:
        template = gettext_noop('"lang" must have at most {characters} characters.')
        raise UnreadablePrompt(template, characters=LONGEST_LANGUAGE)
    check_text(language)
    return language


def check_messages(messages: object) -> list[dict[str, str]]:
    """The messages with role and content only; raises UnreadablePrompt when they are no prompt."""
    if not isinstance(messages, list) or not messages:
        raise UnreadablePrompt(gettext_noop('"prompt" must be a text or a list of messages.'))
    checked = []
    for message in messages:
        role = message.get("role") if isinstance(message, dict) else None
        content = message.get("content") if isinstance(message, dict) else None
        if role not in ROLES or not isinstance(content, str) or not content.strip():
            raise UnreadablePrompt(
                gettext_noop(
                    'each message needs a "role" (system, user or assistant) and a "content" text.'
                )
            )
        check_text(content)
        checked.append({"role": role, "content": content})
    turns = [message["role"] for message in checked if message["role"] != "system"]
    if turns != ["user", "assistant"] * (len(turns) // 2) + ["user"]:
        raise UnreadablePrompt(
            gettext_noop("user and assistant must take turns, and the user has the last one.")
        )
    if any(message["role"] == "system" for message in checked[1:]):
        raise UnreadablePrompt(gettext_noop("a system message can only come first."))
    return checked
