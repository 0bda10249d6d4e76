"""What was said is there again after a lost network, a lost session, a slow or a failing server."""

import pytest
from playwright.sync_api import Page, Route, expect

from annotation.models import Draft, Flag, Project, Ranking, Skip, User
from annotation.services.demonstrations import write_demonstration
from tests.browser.conftest import Visit, log_in
from tests.browser.desk import board, by_order_shown, desk, press, submitted
from tests.people import PASSWORD


@pytest.mark.parametrize(
    ("opened", "button"),
    [
        ("#skip", "Skip"),
        ("#flag", "Send to the admins"),
        (None, "Give the group back and stop"),
    ],
)
def test_an_order_survives_another_button_pressed_without_a_network(
    visit: Visit, work: Project, labeler: User, opened: str | None, button: str
) -> None:
    window = visit(labeler, expecting="ERR_")
    window.goto(desk(work))
    window.context.set_offline(True)
    press(window, "2", "Space")
    if opened:
        window.locator(f"{opened} summary").click()
    if opened == "#skip":
        window.get_by_label("The question is unclear").check()
    if opened == "#flag":
        window.locator("#flag_text").fill("Whose egg?")
    window.get_by_role("button", name=button, exact=True).click()
    window.wait_for_url("chrome-error://**")
    window.context.set_offline(False)
    window.goto(desk(work))
    assert board(window) == ["B"]
    expect(window.get_by_text("Draft saved")).to_be_visible()
    assert not Skip.objects.exists()
    assert not Flag.objects.exists()


def log_in_anew(window: Page, labeler: User) -> None:
    """In another window of the same browser, which changes what forms are signed with."""
    other = window.context.new_page()
    other.goto("/")
    other.get_by_role("button", name="Log out").click()
    log_in(other, labeler)


def test_a_desk_of_an_earlier_login_says_so_and_nothing_is_lost(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler, expecting="403")
    window.goto(desk(work))
    log_in_anew(window, labeler)
    press(window, "2", "Space", "1", "Space", "3", "Space")
    expect(window.locator("#draft-state")).to_contain_text("logged in again in another window")
    press(window, "Enter")
    expect(window.locator("#status")).to_contain_text("Reload the page: nothing is lost")
    window.reload()
    assert board(window) == ["B", "A", "C"]
    press(window, "Enter")
    submitted(window)


def test_a_desk_that_was_logged_out_says_so_and_nothing_is_lost(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    sessions = [one for one in window.context.cookies() if one["name"] == "sessionid"]
    window.context.clear_cookies(name="sessionid")
    assert sessions
    press(window, "2", "Space")
    expect(window.locator("#draft-state")).to_contain_text("You were logged out")
    window.reload()
    window.locator("[name=username]").fill(labeler.username)
    window.locator("[name=password]").fill(PASSWORD)
    window.locator("main form button").click()
    window.wait_for_url(f"**{desk(work)}")
    assert board(window) == ["B"]


def test_a_failing_server_is_not_called_a_lost_network(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler, expecting="500")
    submit = f"**{desk(work)}"
    window.route(
        submit,
        lambda route: (
            route.fulfill(status=500, body="Oh.")
            if route.request.method == "POST"
            else route.continue_()
        ),
    )
    window.goto(desk(work))
    press(window, "2", "Space", "1", "Space", "3", "Space", "Enter")
    expect(window.locator("#status")).to_contain_text("(error 500). Nothing is lost")
    window.unroute(submit)
    press(window, "Enter")
    submitted(window)


def test_an_error_after_the_submit_does_not_say_that_it_was_not_sent(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler, expecting="TypeError")
    window.goto(desk(work))
    window.locator("#today").evaluate("today => today.remove()")
    press(window, "2", "Space", "1", "Space", "3", "Space", "Enter")
    expect(window.locator("#today")).to_have_text("1")
    expect(window.get_by_text("Why is the sky blue?")).to_be_visible()
    expect(window.get_by_text("It could not be sent")).to_be_hidden()


def test_the_desk_waits_visibly_for_a_slow_submit_and_saves_nothing_after_it(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    held: list[Route] = []
    window.route(f"**{desk(work)}", lambda route: held.append(route))
    saved: list[str] = []
    window.on("request", lambda request: saved.append(request.url))
    press(window, "2", "Space", "1", "Space", "3", "Space", "Enter")
    expect(window.locator("#submit")).to_have_attribute("aria-busy", "true")
    press(window, "u", "1", "0")
    window.wait_for_timeout(1_000)
    assert board(window) == ["B", "A", "C"]
    held[0].continue_()
    submitted(window)
    assert [url for url in saved if "/draft/" in url] == []
    assert by_order_shown(Ranking.objects.get()) == [2, 1, 3]


def test_a_refused_submit_gives_the_desk_and_the_focus_back_and_goes_on_saving(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler, expecting="500")
    window.goto(desk(work))
    window.route(f"**{desk(work)}", lambda route: route.fulfill(status=500, body="Oh."))
    press(window, "2", "Space", "1", "Space", "3", "Space", "Enter")
    expect(window.locator("#status")).to_contain_text("error 500")
    expect(window.locator(".chip:focus")).to_have_attribute("data-answer", "3")
    expect(window.get_by_text("Draft saved")).to_be_visible()
    assert Draft.objects.get().content["rank_2"] == "1"


def test_drafts_are_saved_one_after_the_other(visit: Visit, work: Project, labeler: User) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    held: list[Route] = []
    window.route("**/draft/", lambda route: route.continue_() if held else held.append(route))
    saved: list[str] = []
    window.on("request", lambda request: saved.append(request.url))
    window.locator("#comment").fill("One")
    window.wait_for_timeout(800)
    window.locator("#comment").fill("Two")
    window.wait_for_timeout(1_500)
    assert len([url for url in saved if "/draft/" in url]) == 1
    with window.expect_response(lambda response: "Two" in (response.request.post_data or "")):
        held[0].continue_()
    expect(window.get_by_text("Draft saved")).to_be_visible()
    assert Draft.objects.get().content["comment"] == "Two"


def test_reading_in_an_old_window_leaves_the_newer_draft_of_another(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.clock.install()
    window.goto(desk(work))
    elsewhere = visit(labeler)
    elsewhere.goto(desk(work))
    elsewhere.locator("#comment").fill("Newer.")
    expect(elsewhere.get_by_text("Draft saved")).to_be_visible()
    window.clock.fast_forward(120_000)
    with window.expect_response("**/draft/") as renewal:
        press(window, "ArrowDown")
        window.clock.fast_forward(5_000)
    assert renewal.value.json()["kept"]
    assert "comment" not in (renewal.value.request.post_data or "")
    assert Draft.objects.get().content["comment"] == "Newer."


def test_another_account_in_the_same_browser_neither_sends_nor_sees_what_was_said(
    visit: Visit, work: Project, labeler: User, owner: User
) -> None:
    window = visit(labeler, expecting="ERR_")
    window.goto(desk(work))
    window.route("**/draft/", lambda route: route.abort())
    press(window, "2", "Space")
    expect(window.locator("#draft-state")).to_contain_text("kept in this browser")
    window.get_by_role("button", name="Log out").click()
    window.unroute("**/draft/")
    log_in(window, owner)
    window.goto(desk(work))
    assert board(window) == []
    window.get_by_role("button", name="Log out").click()
    log_in(window, labeler)
    window.goto(desk(work))
    assert board(window) == ["B"]


def test_an_outage_is_announced_once(visit: Visit, work: Project, labeler: User) -> None:
    window = visit(labeler, expecting="ERR_")
    window.goto(desk(work))
    window.route("**/draft/", lambda route: route.abort())
    window.locator("#comment").fill("One")
    said = window.locator("#announce")
    expect(said).to_contain_text("No connection.")
    said.evaluate("one => { one.textContent = ''; }")
    with window.expect_request("**/draft/"):
        window.locator("#comment").fill("Two")
    window.wait_for_timeout(300)
    expect(said).to_be_empty()


def changed_ranking(window: Page, work: Project) -> str:
    """The page on which the one stored ranking is changed."""
    window.goto(desk(work))
    press(window, "1", "Space", "2", "Space", "3", "Space", "Enter")
    submitted(window)
    window.get_by_role("link", name="My rankings").click()
    window.get_by_role("link", name="Change").click()
    expect(window.locator(".board")).to_be_visible()
    return window.url


def test_a_change_to_a_ranking_survives_a_reload_until_it_is_stored(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    changed_ranking(window, work)
    press(window, "3", "Shift+ArrowUp")
    expect(window.locator("#draft-state")).to_have_text("Not stored yet; kept in this browser.")
    window.reload()
    assert board(window) == ["A", "C", "B"]
    window.get_by_role("button", name="Store the change").click()
    expect(window.get_by_text("Stored as a new revision")).to_be_visible()
    assert window.evaluate("Object.keys(localStorage).filter(key => key.includes('mine'))") == []


def test_a_change_to_a_ranking_survives_a_lost_network_and_may_be_dropped(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler, expecting="ERR_")
    page = changed_ranking(window, work)
    press(window, "3", "Shift+ArrowUp")
    window.context.set_offline(True)
    window.get_by_role("button", name="Store the change").click()
    window.wait_for_url("chrome-error://**")
    window.context.set_offline(False)
    window.goto(page)
    assert board(window) == ["A", "C", "B"]
    window.get_by_role("link", name="Leave it as it is").click()
    window.goto(page)
    assert board(window) == ["A", "B", "C"]


def test_a_change_to_a_written_answer_survives_a_reload_until_it_is_stored(
    visit: Visit, work: Project, labeler: User
) -> None:
    work.demonstrations_wanted = 1
    work.save()
    write_demonstration(work.prompts.order_by("id")[0], labeler, "Eight minuets.")
    window = visit(labeler)
    window.goto(f"/projects/{work.slug}/write/")
    window.get_by_role("link", name="Change").click()
    answer = window.get_by_label("Your answer")
    answer.fill("Eight minutes.")
    window.reload()
    expect(answer).to_have_value("Eight minutes.")
    window.get_by_role("button", name="Store the change").click()
    expect(window.get_by_text("Stored as a new revision")).to_be_visible()
    assert window.evaluate("Object.keys(localStorage)") == []


def test_a_change_to_a_written_answer_is_there_after_logging_in_again(
    visit: Visit, work: Project, labeler: User
) -> None:
    work.demonstrations_wanted = 1
    work.save()
    write_demonstration(work.prompts.order_by("id")[0], labeler, "Eight minuets.")
    window = visit(labeler, expecting="403")
    window.goto(f"/projects/{work.slug}/write/")
    window.get_by_role("link", name="Change").click()
    log_in_anew(window, labeler)
    answer = window.get_by_label("Your answer")
    answer.fill("Eight minutes.")
    window.get_by_role("button", name="Store the change").click()
    expect(window.locator("#status")).to_contain_text("logged in again in another window")
    window.reload()
    expect(answer).to_have_value("Eight minutes.")
