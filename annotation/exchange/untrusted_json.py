"""JSON from people: read within limits, so that what was read can be stored and shown."""

import json
from collections.abc import Iterator
from enum import StrEnum
from math import isinf
from typing import Any

from annotation.exchange.jsonl import holds_half_characters
from annotation.exchange.wording import gettext_noop

MOST_CHARACTERS = 1_000_000
DEEPEST = 32
MOST_DIGITS = 40


LIMITS = {"characters": MOST_CHARACTERS, "levels": DEEPEST, "digits": MOST_DIGITS}


class Fault(StrEnum):
    """Why JSON is not taken: the template of a sentence, in which `LIMITS` belong."""

    SIZE = gettext_noop("The JSON cannot be used: it has more than {characters} characters.")
    DEPTH = gettext_noop("The JSON cannot be used: it is nested deeper than {levels} levels.")
    DIGITS = gettext_noop(
        "The JSON cannot be used: it holds a number of more than {digits} characters."
    )
    NUMBER = gettext_noop("The JSON cannot be used: it holds a number that is not finite.")
    HALF = gettext_noop("The JSON cannot be used: it holds half a character (such as \\ud83d).")
    TWICE = gettext_noop("The JSON cannot be used: one object has the same key twice.")
    NULL = gettext_noop("The JSON cannot be used: it holds a null character (\\u0000).")


class UnreadableJson(json.JSONDecodeError):
    """Valid JSON or not, it is not taken."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.format(**LIMITS), "", 0)
        self.fault = fault

    def __str__(self) -> str:
        return self.msg


class UntrustedDecoder(json.JSONDecoder):
    """For `json.loads(text, cls=...)` and Django's form fields. Raises JSONDecodeError only."""

    checks_texts = True

    def __init__(self) -> None:
        super().__init__(parse_int=_integer, parse_float=_float, parse_constant=_constant)

    def decode(self, text: str, *given: Any) -> Any:
        if len(text) > MOST_CHARACTERS:
            raise UnreadableJson(Fault.SIZE)
        try:
            value = super().decode(text, *given)
        except RecursionError as error:
            raise UnreadableJson(Fault.DEPTH) from error
        check_value(value, checks_texts=self.checks_texts)
        return value


class StrictDecoder(UntrustedDecoder):
    """Takes no object that has a key twice: of two values one would be lost."""

    def __init__(self) -> None:
        super().__init__()
        self.object_pairs_hook = _object
        self.scan_once = json.scanner.make_scanner(self)  # type: ignore[attr-defined]


def parse_json(text: str, decoder: type[UntrustedDecoder] = UntrustedDecoder) -> Any:
    """Raises JSONDecodeError, of which UnreadableJson is one."""
    return json.loads(text, cls=decoder)


def check_value(value: Any, *, checks_texts: bool = True) -> None:
    """Raises UnreadableJson for what is nested too deep or holds a text that cannot be stored."""
    for part, depth in _parts(value):
        if depth > DEEPEST:
            raise UnreadableJson(Fault.DEPTH)
        if isinstance(part, str) and checks_texts:
            _check_text(part)


def _parts(value: Any) -> Iterator[tuple[Any, int]]:
    """Every value and key in it, with how deep it lies; without recursion."""
    left = [(value, 0)]
    while left:
        part, depth = left.pop()
        yield part, depth
        if isinstance(part, dict):
            left += [(inner, depth + 1) for inner in (*part, *part.values())]
        elif isinstance(part, list):
            left += [(inner, depth + 1) for inner in part]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise UnreadableJson(Fault.TWICE)
    return value


def _check_text(text: str) -> None:
    if "\0" in text:
        raise UnreadableJson(Fault.NULL)
    if holds_half_characters(text):
        raise UnreadableJson(Fault.HALF)


def _integer(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise UnreadableJson(Fault.DIGITS)
    return int(text)


def _float(text: str) -> float:
    if len(text) > MOST_DIGITS:
        raise UnreadableJson(Fault.DIGITS)
    number = float(text)
    if isinf(number):
        raise UnreadableJson(Fault.NUMBER)
    return number


def _constant(text: str) -> float:
    raise UnreadableJson(Fault.NUMBER)
