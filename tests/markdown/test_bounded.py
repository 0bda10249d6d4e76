"""Whatever a text is, it is rendered in a fraction of a second."""

import random
from collections.abc import Iterator
from functools import partial

import pytest

from annotation.markdown.code import LEXERS
from annotation.models import Message
from annotation.templatetags import text as filters
from annotation.templatetags.text import LONGEST_MARKDOWN, markdown
from tests.markdown.reading import (
    FRAGMENTS,
    TEN_MEGABYTES,
    assert_quick,
    repeated,
    text_of,
    turns,
)

UNITS = [
    *FRAGMENTS,
    *("- - ", "> > ", "* * ", "- a\n", "1. a\n", "# a ### ", "a\n===\n", "|a|\n", "a|b\n---|---\n"),
    *("*a ", "a* ", "_a ", "**a", "~~a ", "***a", "`a", "$a ", "\\( ", "\\[ \n", "$$\n", "\\|"),
    *("[a](http://b ", "[a](http://b/(", '[a](http://b "', "[`a`](http://b) ", "<http://a"),
    *("Python سريع\n", "> - a\n", "```mcschema\n/*", "\\begin{x}\n", "- a\n\n", "[" * 50),
]
SIGNS = ["/*", "/* ", "//", '"', "'", "`", '"""', "'''", "\\", '"\\', "<!--", "<!-", "--", "#"]
SIGNS += [" #", "a ", "1 ", "if ", "*", "{", "\n", "é", "'a' ", "select "]


def mixed() -> Iterator[str]:
    chance = random.Random(7)
    for _text in range(30):
        parts = chance.choices(FRAGMENTS, k=chance.randint(1, 8))
        yield repeated("".join(parts))
        yield "".join(chance.choices(FRAGMENTS, k=LONGEST_MARKDOWN // 3))[:LONGEST_MARKDOWN]


def shaped() -> Iterator[str]:
    yield "\n".join(f"{'  ' * depth}- x" for depth in range(1_500))[:LONGEST_MARKDOWN]
    yield "\n".join(f"{'>' * depth} x" for depth in range(240))
    yield " ".join("`" * length for length in range(240, 1, -1))
    yield " " * (LONGEST_MARKDOWN - 1) + "x"


@pytest.mark.parametrize("unit", UNITS, ids=repr)
def test_no_sign_takes_long_however_often_it_comes(unit: str) -> None:
    assert_quick(lambda: markdown(repeated(unit)))


def test_no_mixture_or_nesting_takes_long() -> None:
    for text in [*mixed(), *shaped()]:
        assert_quick(partial(markdown, text))
        assert text_of(markdown(text)) == text


@pytest.mark.parametrize(
    "language", [*{id(lexer): name for name, lexer in LEXERS.items()}.values(), "mcschema"]
)
def test_no_language_takes_long(language: str) -> None:
    for sign in SIGNS:
        text = repeated(sign, LONGEST_MARKDOWN - 20)
        assert_quick(partial(markdown, f"```{language}\n{text}"))


def test_ten_megabytes_take_no_longer_and_are_complete() -> None:
    for unit in ("word ", "**a** ", "- a\n"):
        long = repeated(unit, TEN_MEGABYTES)
        assert_quick(partial(markdown, long))
        assert text_of(markdown(long)) == long


def test_an_ordinary_conversation_is_not_folded() -> None:
    said = filters.conversation(turns(21, "word " * 200))
    assert not said.earlier
    assert len(said.newest) == 21


def test_lists_name_an_endless_prompt_at_once() -> None:
    endless: list[Message] = [{"role": "user", "content": "e\u0301\u0323" * 3_000_000}]
    assert_quick(partial(filters.question, endless))
    assert len(filters.question(endless)) <= 3 * filters.LISTED_LENGTH
    spaces: list[Message] = [{"role": "user", "content": " " * 10_000 + "Why?"}]
    assert filters.question(spaces) == "Why?"
