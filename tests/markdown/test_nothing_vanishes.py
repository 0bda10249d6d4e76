"""All that an answer holds is on the page, whatever it looks like."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.templatetags.text import LONGEST_MARKDOWN, markdown
from tests.markdown.reading import FRAGMENTS, seen_of, text_of

anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
of_fragments = st.lists(st.sampled_from(FRAGMENTS) | anything, max_size=40).map("".join)


def letters(text: str) -> str:
    return "".join(filter(str.isalnum, text))


@settings(max_examples=500, deadline=None)
@given(anything | of_fragments)
def test_the_text_of_the_page_is_the_text_itself(text: str) -> None:
    assert text_of(markdown(text)) == text


@settings(max_examples=500, deadline=None)
@given(anything | of_fragments)
def test_every_letter_and_digit_is_seen_in_order(text: str) -> None:
    assert letters(seen_of(text)) == letters(text)


@settings(max_examples=200, deadline=None)
@given(anything | of_fragments)
def test_only_signs_of_ascii_are_ever_hidden(text: str) -> None:
    kept = "".join(char for char in text if unicodedata.category(char)[0] in "LNMS")
    seen = seen_of(text)
    for char in set(kept) - set("~`|<>=^$+"):
        assert seen.count(char) == text.count(char)


@pytest.mark.parametrize(
    "text",
    [
        "[Answer]: 210",
        "[输入]: 7",
        "5*6*7",
        "2**8**2",
        "(5)*6*(7)",
        "单价*数量*折扣",
        "__init__.py",
        "`__init__` and __all__",
        "snake_case_name",
        "*.py,*.js",
        "a * b * c",
        r"\(x_1\) and \(x_2\)",
        r"$\hat{x}_{i}$",
        r"\[ a*b*c \] and $$ a_1 _b_ $$",
        "costs $5 or *$6",
        r"\*no emphasis\*",
        "a\\\nb",
        "&lt;b&gt; &#65; &copy;",
        "<b>bold</b> <!-- a note --> <br>",
        "[text][1] and [^1]",
        "![alt][img]",
        "[click](javascript:alert(1))",
        "[here](/relative/path)",
        "#hashtag",
        "+ 7",
        "[ ] to do",
    ],
)
def test_what_is_no_markup_is_shown_as_it_is_written(text: str) -> None:
    assert seen_of(text).replace("`", "") == text.replace("`", "")


def test_maths_of_several_lines_is_shown_as_it_is_written() -> None:
    for maths in ("\\[\n- x_1\n= *y*\n\\]", "$$\n+ a_1\n- b_1\n$$", "\\begin{x}\n# a\n\\end{x}"):
        assert seen_of(f"So:\n\n{maths}\n\nthen") == f"So:{maths}then"
        assert seen_of(f"So:\n{maths}\nthen") == f"So:{maths}then"


def test_addresses_and_titles_of_links_are_seen() -> None:
    assert seen_of('[the guide](https://a.example/b "Eggs")') == (
        'the guide(https://a.example/b "Eggs")'
    )
    assert seen_of("![an egg](https://a.example/egg.png)") == ("!an egg(https://a.example/egg.png)")
    assert seen_of("<https://a.example>") == "https://a.example"


def test_numbers_of_lists_are_those_of_the_text() -> None:
    assert seen_of("3. three\n3. three again\n10) ten") == "3.three3.three again10)ten"


def test_a_cell_beyond_a_tables_columns_is_seen() -> None:
    html = markdown("| a | b |\n|---|---|\n| 1 | 2 | 3 |\n| 4 |")
    assert html.count("<td>") == 4
    assert seen_of("| a | b |\n|---|---|\n| 1 | 2 | 3 |\n| 4 |") == "ab1234"


def test_what_is_deeper_than_any_list_is_seen() -> None:
    text = "\n".join(f"{'  ' * depth}- item{depth}" for depth in range(40))
    assert letters(seen_of(text)) == letters(text)


def test_the_words_behind_a_fence_are_seen() -> None:
    assert seen_of('```python title="egg.py"\nx = 1\n```') == 'python title="egg.py"x = 1'


def test_a_long_text_is_folded_and_complete() -> None:
    text = "**An egg.** \r\n\n" * 10_000
    html = markdown(text)
    assert text_of(html) == text
    assert html.count("<details") == 1
    assert html.index("<details") > LONGEST_MARKDOWN // 2
    assert markdown("An egg.\n\n" * 1_000).count("<details") == 0
