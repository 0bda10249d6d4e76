"""From one group to the next."""

from playwright.sync_api import expect

from annotation.models import Assignment, Flag, Project, Skip, User
from tests.browser.conftest import Visit
from tests.browser.desk import board, desk, press
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
