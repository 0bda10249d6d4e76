"""Forms that the browser itself sends: each once, and what was typed outlives a login."""

from playwright.sync_api import Page, expect

from annotation.models import Flag, Project, User
from tests.browser.conftest import Visit, log_in
from tests.browser.desk import desk
from tests.people import PASSWORD, ready_group

BACK_AGAIN = "What you typed is here again."


def end_session(window: Page) -> None:
    window.context.clear_cookies(name="sessionid")


def log_in_here(window: Page, user: User, password: str = PASSWORD) -> None:
    """On the page that asks for it."""
    window.locator("[name=username]").fill(user.username)
    window.locator("[name=password]").fill(password)
    window.locator("main form button").click()


def test_a_flag_is_typed_once_although_the_session_ended(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    end_session(window)
    window.get_by_text("Tell the admins about this question…").click()
    window.locator("#flag_text").fill("Whose egg?")
    window.get_by_role("button", name="Send to the admins").click()
    expect(window.get_by_text("You were logged out meanwhile")).to_be_visible()
    log_in_here(window, labeler, "wrong")
    window.get_by_role("button", name="中文").click()
    window.get_by_role("button", name="English").click()
    log_in_here(window, labeler)
    window.wait_for_url(f"**{desk(work)}")
    expect(window.get_by_text(BACK_AGAIN)).to_be_visible()
    expect(window.locator("#flag_text")).to_have_value("Whose egg?")
    assert not Flag.objects.exists()
    window.get_by_role("button", name="Send to the admins").click()
    expect(window.get_by_text("The admins see it now.")).to_be_visible()
    expect(window.locator("#flag_text")).to_have_value("")
    assert Flag.objects.get().text == "Whose egg?"


def test_the_reason_of_a_skip_is_chosen_once_although_the_session_ended(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    end_session(window)
    window.locator("#skip summary").click()
    window.get_by_label("The question is unclear").check()
    window.get_by_role("button", name="Skip", exact=True).click()
    log_in_here(window, labeler)
    window.wait_for_url(f"**{desk(work)}")
    expect(window.get_by_label("The question is unclear")).to_be_checked()
    expect(window.get_by_role("button", name="Skip", exact=True)).to_be_visible()


def test_settings_are_typed_once_although_the_session_ended(
    visit: Visit, work: Project, owner: User
) -> None:
    work.answer_flags = ["opinion"]
    work.save()
    window = visit(owner, locale="zh-CN")
    settings = f"/projects/{work.slug}/settings/"
    window.goto(settings)
    end_session(window)
    window.locator("[name=name]").fill("Cookery")
    window.locator("[name=mode][value=thumbs]").check()
    window.locator("[name=answer_flags][value=opinion]").uncheck()
    window.locator("[name=guidelines]").fill("Be kind.")
    window.locator(".save-bar button").click()
    log_in_here(window, owner)
    window.wait_for_url(f"**{settings}")
    expect(window.get_by_text("您填写的内容又回到了这里")).to_be_visible()
    window.locator(".save-bar button").click()
    expect(window.locator(".messages .success")).to_be_visible()
    work.refresh_from_db()
    assert (work.name, work.mode, work.guidelines) == ("Cookery", "thumbs", "Be kind.")
    assert work.answer_flags == []


def test_what_was_typed_under_an_earlier_login_is_there_after_a_reload(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler, expecting="403")
    window.goto(desk(work))
    window.locator("#flag summary").click()
    window.locator("#flag_text").fill("Whose egg?")
    other = window.context.new_page()
    other.goto("/")
    other.get_by_role("button", name="Log out").click()
    log_in(other, labeler)
    window.get_by_role("button", name="Send to the admins").click()
    expect(window.get_by_role("heading", name="Please try again")).to_be_visible()
    window.goto(desk(work))
    expect(window.locator("#flag_text")).to_have_value("Whose egg?")


def test_another_account_does_not_see_what_was_typed(
    visit: Visit, work: Project, labeler: User, owner: User
) -> None:
    ready_group(work, "Why is the sea salt?")
    window = visit(labeler)
    window.goto(desk(work))
    end_session(window)
    window.locator("#flag summary").click()
    window.locator("#flag_text").fill("Whose egg?")
    window.get_by_role("button", name="Send to the admins").click()
    log_in_here(window, owner)
    window.wait_for_url(f"**{desk(work)}")
    expect(window.locator("#flag_text")).to_have_value("")
    assert window.evaluate("sessionStorage.getItem('laoshi-typed')") is None


def test_a_double_click_makes_one_account_and_shows_its_password(
    visit: Visit, work: Project, owner: User
) -> None:
    window = visit(owner)
    window.goto(f"/projects/{work.slug}/people/")
    sent: list[str] = []
    window.on("request", lambda request: sent.append(request.method))
    window.get_by_label("Name to log in with").fill("mei")
    window.get_by_role("button", name="Make the account").dblclick()
    expect(window.locator(".secret")).to_be_visible()
    assert sent.count("POST") == 1
    assert work.members.filter(username="mei").count() == 1


def test_a_form_can_be_sent_again_on_a_page_that_the_browser_kept(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    for text in ("Whose egg?", "Which egg?"):
        window.locator("#flag summary").click()
        window.locator("#flag_text").fill(text)
        window.get_by_role("button", name="Send to the admins").click()
        expect(window.get_by_text("The admins see it now.")).to_be_visible()
        window.go_back()
        expect(window.locator(".board")).to_be_visible()
    assert Flag.objects.count() == 2
