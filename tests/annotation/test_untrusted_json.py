"""JSON from people, wherever it is read: within limits, with a sentence for what is beyond."""

import json
from collections.abc import Callable
from json import JSONDecodeError

import pytest

from annotation.exchange.demonstrations import parse_demonstrations
from annotation.exchange.prompts import UnreadablePrompt, parse_prompts
from annotation.exchange.untrusted_json import DEEPEST, MOST_CHARACTERS, MOST_DIGITS, parse_json

BEYOND = {
    "nested deeper": "[" * 100_000 + "]" * 100_000,
    "nested deeper than": '{"a":' * (DEEPEST + 1) + "1" + "}" * (DEEPEST + 1),
    "a number of more than": f"[{'9' * 5000}]",
    "a number of more": f"[0.{'9' * 5000}]",
    "not finite": "[1e999]",
    "is not finite": "[NaN]",
    "half a character": r'["\ud83d"]',
    "holds half a character": r'{"\udc00": 1}',
    "null character": r'["\u0000"]',
    "characters": f'["{"a" * MOST_CHARACTERS}"]',
}


@pytest.mark.parametrize(("sentence", "text"), BEYOND.items(), ids=BEYOND)
def test_what_is_beyond_the_limits_is_refused_in_a_sentence(sentence: str, text: str) -> None:
    with pytest.raises(JSONDecodeError, match=sentence):
        parse_json(text)


@pytest.mark.parametrize("text", ["{", '{"a": 1} b', "", "[1,]"])
def test_what_is_no_json_is_refused_as_before(text: str) -> None:
    with pytest.raises(JSONDecodeError):
        parse_json(text)


def test_what_people_write_is_read() -> None:
    deep = "[" * DEEPEST + "]" * DEEPEST
    value = {"text": "你好 😀", "numbers": [int("9" * MOST_DIGITS), -1.5e-7], "none": None}
    assert parse_json(json.dumps(value)) == value
    assert json.dumps(parse_json(deep)) == deep


@pytest.mark.parametrize("reader", [parse_prompts, parse_demonstrations])
@pytest.mark.parametrize("text", BEYOND.values(), ids=BEYOND)
def test_a_line_of_an_upload_is_named(reader: Callable[..., object], text: str) -> None:
    with pytest.raises(UnreadablePrompt, match=r"^Line 1: The JSON cannot be used: "):
        list(reader(['{"messages": ' + text + "}"]))  # type: ignore[call-overload]
