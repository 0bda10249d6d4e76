"""What is said beside the order, and the quicker ways of judging."""

import pytest
from playwright.sync_api import Page, expect

from annotation.models import Project, Ranking, Skip, User
from tests.browser.conftest import Visit
from tests.browser.desk import PHONE, board, by_order_shown, desk, press, submitted
from tests.people import ready_group


def test_everything_that_a_project_asks_is_said_on_one_screen(
    visit: Visit, work: Project, labeler: User
) -> None:
    work.asks_quality = True
    work.answer_flags, work.prompt_marks = ["hallucination"], ["sensitive"]
    work.save()
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "1", "Space", "2", "Space", "3", "Space", "Enter")
    expect(window.locator("#status")).to_have_text("Quality not rated yet: A, B, and C")
    for index in (1, 2, 3):
        window.locator(f"#answer-{index} .quality .pill").nth(6 - index).click()
    window.locator("#answer-2 .remarks summary").click()
    window.get_by_label("Makes things up").locator("visible=true").check()
    expect(window.locator("#answer-2 .remarks summary")).to_have_attribute("data-count", " (1)")
    window.get_by_label("Sensitive topic").check()
    window.get_by_label("None of these answers is acceptable").check()
    window.get_by_role("button", name="Submit").click()
    submitted(window)
    ranking = Ranking.objects.get()
    rated = {r.answer.position: r for r in ranking.ratings.select_related("answer")}
    assert [rated[position].quality for position in ranking.shown_order] == [6, 5, 4]
    assert rated[ranking.shown_order[1]].flags == ["hallucination"]
    assert ranking.none_acceptable


@pytest.mark.parametrize("has_scripts", [True, False])
def test_enter_in_a_field_submits_the_judgment_and_skips_nothing(
    visit: Visit, work: Project, labeler: User, has_scripts: bool
) -> None:
    work.asks_quality, work.prompt_marks = True, ["sensitive"]
    work.save()
    window = visit(labeler, java_script_enabled=has_scripts)
    window.goto(desk(work))
    if has_scripts:
        press(window, "1", "Space", "2", "Space", "3", "Space")
    else:
        for index in (1, 2, 3):
            window.locator(f"#rank_{index}").select_option(str(index))
    for index in (1, 2, 3):
        window.locator(f"#answer-{index} .quality .pill").nth(6 - index).click()
    window.get_by_label("Sensitive topic").check()
    press(window, "Enter")
    submitted(window)
    assert by_order_shown(Ranking.objects.get()) == [1, 2, 3]
    assert not Skip.objects.exists()


def test_digits_rate_the_answer_that_has_the_focus_and_go_on_to_the_next(
    visit: Visit, work: Project, labeler: User
) -> None:
    work.asks_quality = True
    work.save()
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "1", "Space", "2", "Space", "3", "Space")
    window.locator("#answer-2 .quality .pill").nth(6).click()
    press(window, "q", "3", "5")
    expect(window.locator("#submit")).to_be_focused()
    assert board(window) == ["A", "B", "C"]
    press(window, "Enter")
    submitted(window)
    ranking = Ranking.objects.get()
    rated = {r.answer.position: r.quality for r in ranking.ratings.select_related("answer")}
    assert [rated[position] for position in ranking.shown_order] == [3, 7, 5]


@pytest.mark.parametrize("count", [3, 2])
def test_where_qualities_are_rated_no_order_need_be_given(
    visit: Visit, project: Project, transactional_db: None, labeler: User, count: int
) -> None:
    project.asks_quality, project.answers_per_group = True, count
    project.save()
    ready_group(project)
    window = visit(labeler)
    window.goto(desk(project))
    expect(window.locator("#status")).to_contain_text("Quality not rated yet: A")
    press(window, "q", "3", "5", *("3" * (count - 2)))
    expect(window.locator("#status")).to_contain_text("their order follows from that")
    press(window, "Enter")
    expect(window.get_by_text("Nothing to rank at the moment")).to_be_visible()
    assert by_order_shown(Ranking.objects.get()) == [2, 1, 2][:count]


def test_an_order_that_was_begun_is_asked_for_in_full(
    visit: Visit, work: Project, labeler: User
) -> None:
    work.asks_quality = True
    work.save()
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "2", "Space", "q", "3", "5", "3", "Enter")
    expect(window.locator("#status")).to_have_text("Still without a place: A and C")
    assert not Ranking.objects.exists()


def type_on(window: Page, *pressed: tuple[str, str]) -> None:
    """Presses keys as a keyboard with another layout sends them: (what it writes, where it is)."""
    for key, code in pressed:
        window.evaluate(
            """([key, code]) => document.activeElement.dispatchEvent(
                new KeyboardEvent("keydown", { key, code, bubbles: true, cancelable: true }))""",
            [key, code],
        )


def test_digits_need_no_shift_on_a_french_keyboard(
    visit: Visit, work: Project, labeler: User
) -> None:
    work.asks_quality = True
    work.save()
    window = visit(labeler)
    window.goto(desk(work))
    space = (" ", "Space")
    type_on(window, ("é", "Digit2"), space, ("&", "Digit1"), space, ("&", "Digit1"))
    assert board(window) == ["B", "A"]
    type_on(window, ("à", "Digit0"))
    assert board(window) == ["B"]
    type_on(window, ('"', "Digit3"), space, ("q", "KeyA"), ("-", "Digit6"), ("è", "Digit7"))
    rated = [window.locator(f"#answer-{n} .quality :checked") for n in (1, 2)]
    expect(rated[0]).to_have_value("6")
    expect(rated[1]).to_have_value("7")


def test_a_key_that_judges_is_no_digit_where_both_are_on_one_key(
    visit: Visit, work: Project, labeler: User
) -> None:
    work.mode = Project.Mode.THUMBS
    work.save()
    window = visit(labeler)
    window.goto(desk(work))
    type_on(window, ("-", "Digit6"), ("+", "Digit1"))
    expect(window.locator("#status")).to_have_text("Not judged yet: C")
    expect(window.locator("#answer-1 :checked")).to_have_value("2")
    expect(window.locator("#answer-2 :checked")).to_have_value("1")


def test_a_passage_is_marked_and_the_mark_is_stored(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    window.locator("#answer-2 .text strong").dblclick()
    window.get_by_role("button", name="Unsupported").click()
    expect(window.locator("#answer-2 .highlights .unsupported")).to_be_visible()
    expect(window.get_by_text("Draft saved")).to_be_visible()
    window.reload()
    expect(window.locator("#answer-2 .highlights .unsupported")).to_be_visible()
    press(window, "1", "Space", "2", "Space", "3", "Space")
    window.get_by_role("button", name="Submit").click()
    submitted(window)
    ranking = Ranking.objects.get()
    [rating] = ranking.ratings.select_related("answer")
    assert rating.answer.position == ranking.shown_order[1]
    [mark] = rating.highlights
    assert (mark["quote"], mark["label"]) == (str(rating.answer.position), "unsupported")
    assert rating.answer.text[mark["start"] : mark["end"]] == mark["quote"]


def test_a_mark_holds_whole_words(visit: Visit, work: Project, labeler: User) -> None:
    for group in work.groups.all():
        group.answers.update(text="天空是**蓝色**的。 It *scatters* light.")
    window = visit(labeler)
    window.goto(desk(work))
    window.locator("#answer-1 .text").evaluate(
        """text => getSelection().setBaseAndExtent(
            text.querySelector("strong").firstChild, 1, text.querySelector("em").firstChild, 3)"""
    )
    window.get_by_role("button", name="Error").click()
    expect(window.locator("#answer-1 .highlights span")).to_have_text("蓝色的。 It scatters")


def test_marking_by_keyboard_leads_back_to_the_answer(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    window.locator("#answer-2 .text strong").dblclick()
    window.get_by_role("button", name="Unsupported").focus()
    press(window, "Enter")
    expect(window.locator("#answer-2 .highlights .unsupported")).to_be_visible()
    expect(window.locator("#answer-2")).to_be_focused()


def test_good_or_bad_takes_one_key_an_answer_and_one_to_undo(
    visit: Visit, work: Project, labeler: User
) -> None:
    work.mode = Project.Mode.THUMBS
    work.save()
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "-", "-", "u", "u", "+", "-")
    expect(window.locator("#status")).to_have_text("Not judged yet: C")
    press(window, "+")
    expect(window.locator("#status")).to_contain_text("All answers are judged")
    press(window, "Control+Enter")
    submitted(window)
    assert by_order_shown(Ranking.objects.get()) == [1, 2, 1]


def test_a_key_held_down_judges_one_answer_only(visit: Visit, work: Project, labeler: User) -> None:
    work.mode = Project.Mode.THUMBS
    work.save()
    window = visit(labeler)
    window.goto(desk(work))
    for _repeat in range(4):
        window.keyboard.down("+")
    window.keyboard.up("+")
    expect(window.locator("#status")).to_have_text("Not judged yet: B and C")


def test_good_or_bad_is_said_by_touch(visit: Visit, work: Project, labeler: User) -> None:
    work.mode = Project.Mode.THUMBS
    work.save()
    window = visit(labeler, **PHONE)
    window.goto(desk(work))
    for index, verdict in ((1, "Bad"), (2, "Good"), (3, "Bad")):
        thumb = window.locator(f"#answer-{index} .thumb", has_text=verdict)
        box = thumb.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44
        thumb.tap()
    window.get_by_role("button", name="Submit").tap()
    submitted(window)
    assert by_order_shown(Ranking.objects.get()) == [2, 1, 2]
