"""Reading well: guidelines, size, direction, what differs."""

import pytest
from playwright.sync_api import expect

from annotation.models import Project, User
from tests.browser.conftest import Visit
from tests.browser.desk import PHONE, desk


def test_two_answers_are_compared_word_by_word(visit: Visit, work: Project, labeler: User) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    window.get_by_role("button", name="Compare two answers word by word").click()
    dialog = window.get_by_role("dialog", name="Word by word")
    numbers = [window.locator(f"#answer-{n} strong").text_content() for n in (1, 2)]
    expect(dialog.locator(".difference-text del")).to_have_text(numbers[0] or "")
    expect(dialog.locator(".difference-text ins")).to_have_text(numbers[1] or "")


def test_the_size_of_the_text_is_kept(visit: Visit, work: Project, labeler: User) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    size = "getComputedStyle(document.querySelector('.answer .prose')).fontSize"
    before = float(window.evaluate(size)[:-2])
    window.get_by_role("button", name="Larger text").click()
    window.reload()
    assert float(window.evaluate(size)[:-2]) > before


def test_text_that_runs_from_right_to_left_is_shown_so(
    visit: Visit, work: Project, labeler: User
) -> None:
    for group in work.groups.all():
        group.answers.update(text="اسلق البيضة ثماني دقائق.")
    window = visit(labeler)
    window.goto(desk(work))
    direction = "getComputedStyle(document.querySelector('.answer .text')).direction"
    assert window.evaluate(direction) == "rtl"


def test_each_paragraph_runs_in_the_direction_of_its_own_language(
    visit: Visit, work: Project, labeler: User
) -> None:
    for group in work.groups.all():
        group.answers.update(text="Eight minutes.\n\nاسلق البيضة.\n\n- ثماني دقائق")
    window = visit(labeler)
    window.goto(desk(work))
    starts_right = """one => {
        const range = document.createRange();
        range.selectNodeContents(one);
        const [text, box] = [range, one].map((part) => part.getBoundingClientRect());
        return box.right - text.right < text.left - box.left;
    }"""
    text = window.locator("#answer-1 .text")
    assert [one.evaluate(starts_right) for one in text.locator("p").all()] == [False, True]
    assert text.locator("li").evaluate(starts_right)


def test_a_comparison_of_long_answers_says_that_it_is_cut(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    compare = window.get_by_role("button", name="Compare two answers word by word")
    compare.click()
    expect(window.get_by_text("only the beginnings are compared")).to_be_hidden()
    window.get_by_role("dialog").get_by_role("button", name="Close").click()
    for group in work.groups.all():
        group.answers.update(text="egg " * 2_000)
    window.reload()
    compare.click()
    expect(window.get_by_text("only the beginnings are compared")).to_be_visible()


@pytest.mark.parametrize("size", [(640, 400), (640, 900), (900, 500)])
def test_keys_are_switched_off_on_a_magnified_or_low_screen(
    visit: Visit, work: Project, labeler: User, size: tuple[int, int]
) -> None:
    """As at 200 % on a laptop (WCAG 2.1.4)."""
    window = visit(labeler, viewport={"width": size[0], "height": size[1]})
    window.goto(desk(work))
    window.get_by_role("button", name="Keys").click()
    window.get_by_role("button", name="Turn keys off").click()
    expect(window.locator("#keys-switch")).to_have_text("Turn keys on")


@pytest.mark.parametrize("label", ["error", "unsupported", "well-put"])
def test_what_is_marked_is_read_in_ink_in_the_dark(
    visit: Visit, work: Project, labeler: User, label: str
) -> None:
    window = visit(labeler, color_scheme="dark")
    window.goto(desk(work))
    color = window.locator("#answer-1 .text").evaluate(
        "(text, label) => getComputedStyle(text, `::highlight(${label})`).color", label
    )
    assert color == "rgb(235, 230, 218)"


def test_chinese_names_of_answers_have_chinese_punctuation(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler, locale="zh-CN")
    window.goto(desk(work))
    expect(window.locator(".chip").first).to_have_attribute("aria-label", "回答 A：还没有位置")
    expect(window.get_by_text("（可不填）")).to_be_visible()


@pytest.fixture
def guided(work: Project) -> Project:
    work.guidelines = "# Be kind\n\nAnd brief."
    work.save()
    return work


def test_guidelines_stand_beside_the_work_on_a_wide_screen(
    visit: Visit, guided: Project, labeler: User
) -> None:
    window = visit(labeler, viewport={"width": 1440, "height": 900})
    window.goto(desk(guided))
    beside, work = window.locator("#guidelines").bounding_box(), window.locator("#desk")
    box = work.bounding_box()
    assert beside is not None
    assert box is not None
    assert beside["x"] + beside["width"] <= box["x"]
    assert beside["y"] == box["y"]
    expect(window.get_by_text("And brief.")).to_be_visible()
    window.mouse.wheel(0, 400)
    expect(window.get_by_text("And brief.")).to_be_in_viewport()


def test_guidelines_that_were_closed_stay_closed(
    visit: Visit, guided: Project, labeler: User
) -> None:
    window = visit(labeler, viewport={"width": 1440, "height": 900})
    window.goto(desk(guided))
    window.locator("#guidelines summary").click()
    window.reload()
    expect(window.get_by_text("And brief.")).to_be_hidden()
    window.locator("#guidelines summary").click()
    window.reload()
    expect(window.get_by_text("And brief.")).to_be_visible()


def test_guidelines_are_folded_above_the_work_on_a_phone(
    visit: Visit, guided: Project, labeler: User
) -> None:
    window = visit(labeler, **PHONE)
    window.goto(desk(guided))
    expect(window.get_by_text("And brief.")).to_be_hidden()
    window.locator("#guidelines summary").tap()
    expect(window.get_by_text("And brief.")).to_be_visible()
    above, work = window.locator("#guidelines").bounding_box(), window.locator("#desk")
    box = work.bounding_box()
    assert above is not None
    assert box is not None
    assert above["y"] + above["height"] <= box["y"]


def test_the_focus_is_never_under_the_bar_of_a_low_screen(
    visit: Visit, work: Project, labeler: User
) -> None:
    """As at 200 % on a small laptop (WCAG 2.4.11)."""
    work.asks_quality, work.answer_flags = True, ["hallucination"]
    work.save()
    wide = "wide " * 100
    for group in work.groups.all():
        group.answers.update(text=f"```\n{wide}\n```\n\n| {'egg | ' * 60}\n|{'---|' * 60}\n")
    window = visit(labeler, viewport={"width": 640, "height": 400})
    window.goto(desk(work))
    window.locator("#question").focus()
    bar = window.locator(".judge")
    for _step in range(60):
        window.keyboard.press("Tab")
        top, bottom, is_in_bar = window.evaluate(
            """() => {
                const [at, bar] = [document.activeElement, document.querySelector(".judge")];
                const box = at.getBoundingClientRect();
                return [bar.getBoundingClientRect().top, box.bottom, bar.contains(at)];
            }"""
        )
        if is_in_bar:
            break
        assert bottom <= top
    assert is_in_bar
    box = bar.bounding_box()
    assert box is not None
    assert box["height"] <= 120
