"""From one group to the next."""

import pytest
from playwright.sync_api import expect

from annotation.models import Assignment, Flag, Project, Skip, User
from tests.browser.conftest import Visit
from tests.browser.desk import board, desk, press, submitted
from tests.people import ready_group


def test_the_next_group_is_there_before_the_submit(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    with window.expect_response("**/ahead/") as ahead:
        window.goto(desk(work))
    assert ahead.value.status == 200
    press(window, "1", "Space", "2", "Space", "3", "Space")
    expect(window.get_by_text("Draft saved")).to_be_visible()
    loaded: list[str] = []
    window.on("request", lambda request: loaded.append(f"{request.method} {request.url}"))
    press(window, "Enter")
    expect(window.get_by_text("Why is the sky blue?")).to_be_visible()
    expect(window.locator("#question")).to_be_focused()
    asked = [line for line in loaded if "/draft/" not in line and "/ahead/" not in line]
    assert [line.split()[0] for line in asked] == ["POST"]


def test_the_next_group_is_announced_where_the_region_stays(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    region = window.locator("#announce").element_handle()
    press(window, "1", "Space", "2", "Space", "3", "Space", "Enter")
    expect(window.locator("#announce")).to_have_text(
        "Stored, thank you. The next question is shown."
    )
    assert region.evaluate("region => region.isConnected")


def test_a_waiting_page_brings_the_next_group_by_itself(
    visit: Visit, transactional_db: None, project: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.clock.install()
    window.goto(desk(project))
    expect(window.get_by_text("Nothing to rank at the moment")).to_be_visible()
    ready_group(project, "Has it come?")
    window.clock.fast_forward(11_000)
    expect(window.get_by_text("Has it come?")).to_be_visible()


def test_a_group_is_skipped_with_a_reason(visit: Visit, work: Project, labeler: User) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "s")
    window.get_by_label("The question is unclear").check()
    window.get_by_role("button", name="Skip", exact=True).click()
    expect(window.get_by_text("Why is the sky blue?")).to_be_visible()
    press(window, "s", "ArrowDown", "Enter")
    expect(window.get_by_text("Nothing to rank at the moment")).to_be_visible()
    assert Skip.objects.count() == 2


@pytest.mark.parametrize(
    ("panel", "button", "missing"),
    [
        ("#skip", "Skip", "Choose why you skip it, then skip."),
        ("#flag", "Send to the admins", "Write what is wrong with the question, then send it."),
    ],
)
def test_a_panel_sent_half_filled_in_says_what_is_missing_and_stays_open(
    visit: Visit, work: Project, labeler: User, panel: str, button: str, missing: str
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "2", "Space")
    window.locator(f"{panel} summary").click()
    sent: list[str] = []
    window.on("request", lambda request: sent.append(request.url))
    window.get_by_role("button", name=button, exact=True).click()
    expect(window.locator(f"{panel} .missing")).to_have_text(missing)
    expect(window.locator(f"{panel}[open]")).to_be_visible()
    assert window.evaluate(f"document.activeElement.closest('{panel}') !== null")
    assert [url for url in sent if "/draft/" not in url] == []
    assert board(window) == ["B"]


def test_a_skip_is_undone_with_what_was_said(visit: Visit, work: Project, labeler: User) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "2", "Space", "s")
    window.get_by_label("The question is unclear").check()
    window.get_by_role("button", name="Skip", exact=True).click()
    expect(window.get_by_text("Skipped: you will not get this group again.")).to_be_visible()
    expect(window.get_by_text("Your last ranking is stored.")).to_be_hidden()
    window.locator("#question").focus()
    with window.expect_navigation():
        press(window, "u")
    expect(window.get_by_text("The group that you skipped is yours again.")).to_be_visible()
    expect(window.get_by_text("How do I boil an egg?")).to_be_visible()
    expect(window.locator(".place")).to_have_count(1)
    assert not Skip.objects.exists()


def test_after_a_skip_and_a_ranking_the_ranking_is_what_can_be_undone(
    visit: Visit, work: Project, labeler: User
) -> None:
    ready_group(work, "Why is the sea salt?")
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "s", "ArrowDown", "Enter")
    expect(window.get_by_text("Why is the sky blue?")).to_be_visible()
    window.locator("#question").focus()
    press(window, "2", "Space", "1", "Space", "3", "Space", "Enter")
    submitted(window)
    expect(window.get_by_text("Skipped: you will not")).to_be_hidden()
    window.get_by_role("button", name="Undo the last ranking").click()
    expect(window.get_by_text("Why is the sky blue?")).to_be_visible()
    assert Skip.objects.count() == 1


TOP = "document.querySelector('#question').getBoundingClientRect().top"


@pytest.mark.parametrize("width", [1280, 390])
def test_what_can_be_undone_moves_nothing_and_is_said_for_a_moment(
    visit: Visit, work: Project, labeler: User, width: int
) -> None:
    window = visit(labeler, viewport={"width": width, "height": 844})
    window.clock.install()
    window.goto(desk(work))

    def top() -> float:
        return float(window.evaluate(TOP))

    expect(window.locator(".mark-hint")).to_be_visible()
    before = top()
    press(window, "2", "Space", "1", "Space", "3", "Space", "Enter")
    submitted(window)
    assert top() == before
    window.clock.fast_forward(11_000)
    expect(window.get_by_text("Your last ranking is stored.")).to_be_hidden()
    expect(window.get_by_role("button", name="Undo the last ranking")).to_be_visible()
    assert top() == before
    window.clock.fast_forward(600_000)
    expect(window.locator("#undo")).to_be_hidden()
    assert top() == before


def test_a_key_leads_to_the_comment_and_another_one_back(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "2", "Space", "n")
    window.keyboard.type("Short.")
    expect(window.locator("#comment")).to_have_value("Short.")
    press(window, "Escape", "1", "Space", "?")
    assert board(window) == ["B", "A"]
    keys = window.get_by_role("dialog", name="Keys")
    expect(keys.get_by_text("Ctrl+Enter")).to_be_visible()
    expect(keys.get_by_text("to the comment; from there Esc leads back")).to_be_visible()


def test_a_question_is_flagged_and_the_order_stays(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "2", "Space")
    window.get_by_text("Tell the admins about this question…").click()
    window.locator("#flag_text").fill("Whose egg?")
    window.get_by_role("button", name="Send to the admins").click()
    expect(window.get_by_text("The admins see it now.")).to_be_visible()
    assert board(window) == ["B"]
    assert Flag.objects.get().text == "Whose egg?"


def test_giving_a_group_back_frees_it(visit: Visit, work: Project, labeler: User) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    window.get_by_role("button", name="Give the group back and stop").click()
    expect(window.get_by_text("You gave the group back.")).to_be_visible()
    assert not Assignment.objects.filter(labeler=labeler).exists()
