"""Nothing that was said at the desk is lost."""

from datetime import timedelta

from django.utils import timezone
from playwright.sync_api import expect

from annotation.models import Assignment, Draft, Project, Ranking, User
from tests.browser.conftest import Visit
from tests.browser.desk import board, by_order_shown, desk, press, submitted


def test_ranks_stay_when_appearance_or_language_change(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "3", "Space")
    window.get_by_role("button", name="Change the appearance").click()
    expect(window.locator("html")).to_have_attribute("data-theme", "dark")
    assert board(window) == ["C"]
    window.get_by_role("button", name="中文").click()
    expect(window.get_by_text("还没有位置：A和B")).to_be_visible()
    assert board(window) == ["C"]


def test_a_draft_survives_a_reload_and_another_browser(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "2", "Space", "1", "t")
    window.locator("#comment").fill("Alike.")
    expect(window.get_by_text("Draft saved")).to_be_visible()
    window.reload()
    assert board(window) == ["AB"]
    elsewhere = visit(labeler)
    elsewhere.goto(desk(work))
    assert board(elsewhere) == ["AB"]
    expect(elsewhere.locator("#comment")).to_have_value("Alike.")


def test_work_without_a_network_is_kept_and_sent_when_it_is_back(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler, expecting="ERR_")
    window.goto(desk(work))
    window.route("**/draft/", lambda route: route.abort())
    window.context.set_offline(True)
    press(window, "2", "Space")
    expect(window.locator("#draft-state")).to_contain_text("kept in this browser")
    assert not Draft.objects.exists()
    window.unroute("**/draft/")
    window.context.set_offline(False)
    expect(window.get_by_text("Draft saved")).to_be_visible()
    assert Draft.objects.get().content["rank_2"] == "1"


def test_the_last_submit_is_undone(visit: Visit, work: Project, labeler: User) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "2", "Space", "1", "Space", "3", "Space", "Enter")
    submitted(window)
    window.get_by_role("button", name="Undo the last ranking").click()
    expect(window.get_by_text("How do I boil an egg?")).to_be_visible()
    assert board(window) == ["B", "A", "C"]
    expect(window.get_by_text("Undone. Your ranking is open again.")).to_be_visible()
    press(window, "Enter")
    submitted(window)
    expect(window.get_by_text("Undone. Your ranking is open again.")).to_be_hidden()


def test_a_judgment_from_a_second_window_is_refused_and_stays_on_its_desk(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler, expecting="409")
    window.goto(desk(work))
    second = window.context.new_page()
    second.goto(desk(work))
    press(window, "2", "Space", "1", "Space", "3", "Space", "Enter")
    submitted(window)
    press(second, "1", "Space", "2", "Space", "3", "Space")
    expect(second.locator("#draft-state")).to_contain_text("in another window")
    press(second, "Enter")
    expect(second.locator("#status")).to_contain_text("What was stored first holds")
    assert board(second) == ["A", "B", "C"]
    assert by_order_shown(Ranking.objects.get()) == [2, 1, 3]


def test_an_own_ranking_is_changed_later(visit: Visit, work: Project, labeler: User) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "1", "Space", "2", "Space", "3", "Space", "Enter")
    submitted(window)
    window.get_by_role("link", name="My rankings").click()
    window.get_by_role("link", name="Change").click()
    expect(window.locator(".board")).to_be_visible()  # the page's script has started
    press(window, "3", "Shift+ArrowUp", "Shift+ArrowUp")
    expect(window.locator("#status")).to_have_text("Complete. Store the change when you are sure.")
    window.get_by_role("button", name="Store the change").click()
    expect(window.get_by_text("Stored as a new revision")).to_be_visible()
    assert by_order_shown(Ranking.objects.get(is_current=True)) == [2, 3, 1]


def lease_of(labeler: User) -> Assignment:
    return Assignment.objects.get(labeler=labeler, is_done=False, leased_at__isnull=False)


def test_the_clock_runs_down_and_work_renews_the_lease(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.clock.install()
    window.goto(desk(work))
    left = window.locator("#time-left")
    expect(left).to_have_text("30 min left")
    window.clock.fast_forward(28 * 60_000 + 30_000)
    expect(left).to_have_text("2 min left")
    expect(left).to_have_class("is-short")
    expect(window.locator("#announce")).to_contain_text("Less than two minutes left.")
    Assignment.objects.filter(labeler=labeler).update(
        expires_at=timezone.now() + timedelta(seconds=90)
    )
    with window.expect_response("**/draft/"):
        press(window, "ArrowDown")  # reading on is work too
        window.clock.fast_forward(5_000)
    expect(left).to_have_text("30 min left")
    expiry = lease_of(labeler).expires_at
    assert expiry is not None
    assert expiry > timezone.now() + timedelta(minutes=29)


def test_a_lease_that_somebody_else_took_is_said_to_be_gone(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    Assignment.objects.filter(labeler=labeler).update(
        labeler=None, token=None, expires_at=None, leased_at=None
    )
    press(window, "2", "Space")
    expect(window.locator("#draft-state")).to_contain_text("This group is no longer yours")
    assert board(window) == ["B"]
