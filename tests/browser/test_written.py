"""Every text can be read as it is written, and nothing of it is ever hidden for good."""

import re

import pytest
from playwright.sync_api import Page, expect

from annotation.models import Project, User
from tests.browser.conftest import Visit, log_in
from tests.browser.desk import PHONE, desk, press, submitted
from tests.people import member, ready_group

TEXT = """\
# Soft **eggs**

[Answer]: 210, 5*6*7 in __init__.py, $\\hat{x}_{i}$ and \\(x_1\\)

3. three &amp; <b>bold</b> <!-- note -->
   - [deep](https://egg.example "Eggs")

| a | b |
|---|---|
| 1 | 2 | 3 |

```python
x = 1  # egg
```
"""


@pytest.fixture
def written(work: Project) -> Project:
    for group in work.groups.all():
        group.answers.update(text=TEXT)
        group.prompt.messages = [{"role": "user", "content": "[输入]: 7\n\n*Why?*"}]
        group.prompt.key = f"{group.pk}"
        group.prompt.save()
    return work


def read(window: Page, selector: str) -> str:
    return window.locator(selector).inner_text()


def laid_out(window: Page, selector: str) -> tuple[str, list[str]]:
    """The text with all that is hidden, and how its elements are displayed: inline is not hidden,
    and adds nothing."""
    displays = """text => [...new Set([...text.querySelectorAll("*")].map(
        one => getComputedStyle(one).display))]"""
    text = window.locator(selector)
    return text.evaluate("text => text.textContent"), text.evaluate(displays)


def letters(text: str) -> str:
    return "".join(filter(str.isalnum, text))


@pytest.mark.parametrize("settings", [{}, PHONE], ids=["wide", "phone"])
def test_every_letter_and_digit_of_an_answer_can_be_read(
    visit: Visit, written: Project, labeler: User, settings: dict[str, object]
) -> None:
    window = visit(labeler, **settings)
    window.goto(desk(written))
    assert letters(read(window, "#answer-1 .text")) == letters(TEXT)
    assert "[输入]: 7" in read(window, ".prompt .prose")


def test_as_written_is_character_by_character_what_is_trained_on(
    visit: Visit, written: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(written))
    window.locator("#answer-2").get_by_role("button", name="As written").click()
    for number in (1, 2, 3):
        assert laid_out(window, f"#answer-{number} .text") == (TEXT, ["inline"])
    assert laid_out(window, ".prompt .prose") == ("[输入]: 7\n\n*Why?*", ["inline"])
    for button in window.get_by_role("button", name="As written").all():
        expect(button).to_have_attribute("aria-pressed", "true")
    window.locator("#answer-3").get_by_role("button", name="As written").click()
    assert "**" not in read(window, "#answer-1 .text")


def test_the_switch_is_remembered_for_each_account(
    visit: Visit, written: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(written))
    window.locator(".prompt").get_by_role("button", name="As written").click()
    window.reload()
    assert "**eggs**" in read(window, "#answer-1 .text")
    press(window, "1", "Space", "2", "Space", "3", "Space", "Enter")
    submitted(window)
    assert "**eggs**" in read(window, "#answer-1 .text")
    window.context.clear_cookies()
    log_in(window, member(written, "second"))
    ready_group(written, "Another?").answers.update(text=TEXT)
    window.goto(desk(written))
    expect(window.locator("#answer-1 .as-written")).to_have_attribute("aria-pressed", "false")
    assert "**" not in read(window, "#answer-1 .text")


def test_the_switch_is_reached_by_keyboard(visit: Visit, written: Project, labeler: User) -> None:
    window = visit(labeler)
    window.goto(desk(written))
    window.locator("#question").focus()
    press(window, "Tab", "Enter")
    assert "**eggs**" in read(window, "#answer-1 .text")
    press(window, "w")
    assert "**" not in read(window, "#answer-1 .text")


def test_what_is_read_stays_where_it_is_when_the_texts_change(
    visit: Visit, written: Project, labeler: User
) -> None:
    window = visit(labeler, **PHONE)
    window.goto(desk(written))
    button = window.locator("#answer-3").get_by_role("button", name="As written")
    button.scroll_into_view_if_needed()
    before = button.bounding_box()
    button.tap()
    after = button.bounding_box()
    assert before is not None
    assert after is not None
    assert abs(after["y"] - before["y"]) < 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("5*6*7 eggs", "567 eggs"),
        ("An **egg**.", "An egg."),
        ("[egg](https://a.example)", "[egg](https://b.example)"),
        ("One\ntwo", "One two"),
        ("1. egg", "2. egg"),
        ("`egg`", "egg"),
    ],
)
def test_the_comparison_sees_what_differs_in_the_markup_alone(
    visit: Visit, work: Project, labeler: User, one: str, other: str
) -> None:
    for group in work.groups.all():
        group.answers.update(text=one)
        group.answers.filter(position=0).update(text=other)
    window = visit(labeler)
    window.goto(desk(work))
    window.get_by_role("button", name="Compare two answers word by word").click()
    dialog = window.get_by_role("dialog", name="Word by word")
    texts = set()
    for number in "123":
        dialog.get_by_label("From").select_option(number)
        dialog.locator("#difference-to").select_option(str(int(number) % 3 + 1))
        texts.add(dialog.locator(":is(del, ins):not(.help *)").count() > 0)
    assert texts == {True, False}


def test_a_long_answer_is_unfolded_and_mended_whole(
    visit: Visit, work: Project, labeler: User
) -> None:
    text = "An **egg** a day.\n\n" * 2_500 + "The end."
    for group in work.groups.all():
        group.answers.update(text=text)
    window = visit(labeler)
    window.goto(desk(work))
    end = window.locator("#answer-1").get_by_text("The end.")
    expect(end).to_be_hidden()
    window.locator("#answer-1 summary").first.click()
    expect(end).to_be_visible()
    expect(window.locator("#answer-1 summary").first).to_have_accessible_name(
        re.compile(r"Show all: 17,5\d\d characters more")
    )
    window.locator(".better > summary").click()
    window.locator("#better_source").select_option("1")
    expect(window.locator("#better")).to_have_value(text)
