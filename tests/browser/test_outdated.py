"""What a project asks changes under an open page."""

from playwright.sync_api import expect

from annotation.models import Project, Ranking, User
from tests.browser.conftest import Visit
from tests.browser.desk import by_order_shown, desk, press, submitted


def ask_for_verdicts(work: Project) -> None:
    Project.objects.filter(pk=work.pk).update(mode=Project.Mode.THUMBS)


def test_a_page_that_is_out_of_date_says_so_and_its_work_comes_back(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler, expecting="409")
    window.goto(desk(work))
    ask_for_verdicts(work)
    window.locator("#comment").fill("So far.")
    window.locator("#question").focus()
    press(window, "2", "Space", "1", "Space", "3", "t")
    changed = "What this project asks has changed since this page was opened"
    expect(window.locator("#draft-state")).to_contain_text(changed)
    press(window, "Enter")
    expect(window.locator("#status")).to_contain_text(changed)
    window.reload()
    expect(window.get_by_text("You had said: B > A = C.")).to_be_visible()
    expect(window.locator("#comment")).to_have_value("So far.")
    expect(window.locator(".thumb-choice :checked")).to_have_count(0)
    press(window, "+", "-", "-", "Enter")
    submitted(window)
    ranking = Ranking.objects.get()
    assert (ranking.mode, by_order_shown(ranking)) == ("thumbs", [1, 2, 2])


def test_an_order_that_only_the_browser_kept_is_not_put_back_as_verdicts(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler, expecting="ERR_")
    window.goto(desk(work))
    window.route("**/draft/", lambda route: route.abort())
    window.locator("#comment").fill("So far.")
    window.locator("#question").focus()
    press(window, "2", "Space", "1", "Space", "3", "t")
    expect(window.locator("#draft-state")).to_contain_text("kept in this browser")
    ask_for_verdicts(work)
    window.unroute("**/draft/")
    window.reload()
    expect(window.locator("#comment")).to_have_value("So far.")
    expect(window.locator(".thumb-choice :checked")).to_have_count(0)
    expect(window.locator("#status")).to_have_text("Not judged yet: A, B, and C")
