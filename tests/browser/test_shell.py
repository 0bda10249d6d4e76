"""What is around every page: its times, and the way from one page to the next."""

import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

from annotation.models import Project, User
from tests.browser.conftest import Visit
from tests.browser.desk import PHONE

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_times_are_in_the_zone_of_the_browser_from_the_first_page_on(
    visit: Visit, work: Project, owner: User
) -> None:
    work.groups.update(created_at=NOON)
    window = visit(owner, timezone_id="America/St_Johns")
    window.context.clear_cookies(name="timezone")
    page = f"/projects/{work.slug}/groups/"
    for zone in ("UTC", "America/St_Johns"):
        window.goto(page)
        expect(window.locator("html")).to_have_attribute("data-zone", zone)
        expect(window.locator("time").first).to_have_text("2026-03-01 08:30 UTC-3:30")


def test_without_javascript_times_name_the_zone_of_the_server(
    visit: Visit, work: Project, owner: User
) -> None:
    work.groups.update(created_at=NOON)
    window = visit(owner, timezone_id="Asia/Shanghai", java_script_enabled=False)
    window.goto(f"/projects/{work.slug}/groups/")
    expect(window.locator("time").first).to_have_text("2026-03-01 12:00 UTC")


@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
def test_on_a_phone_the_page_that_is_open_is_in_sight_in_the_navigation(
    visit: Visit, work: Project, owner: User, language: str
) -> None:
    window = visit(owner, locale=language, **PHONE)
    for page in ("", "prompts/", "flags/", "versions/", "people/", "settings/"):
        window.goto(f"/projects/{work.slug}/{page}")
        for current in window.locator(".project-nav [aria-current]").all():
            expect(current).to_be_in_viewport(ratio=1)


def test_no_button_breaks_its_word_on_a_phone(
    visit: Visit, work: Project, owner: User, labeler: User
) -> None:
    window = visit(owner, locale="zh-CN", **PHONE)
    window.goto(f"/projects/{work.slug}/people/")
    change = window.get_by_role("button", name=re.compile("更改")).first
    box = change.bounding_box()
    assert box is not None
    assert box["width"] > box["height"]


@pytest.mark.parametrize("has_scripts", [True, False])
def test_an_admin_gets_from_page_to_page_by_keyboard(
    visit: Visit, work: Project, owner: User, has_scripts: bool
) -> None:
    window = visit(owner, java_script_enabled=has_scripts)
    window.goto(f"/projects/{work.slug}/rank/")
    navigation = window.get_by_role("navigation", name="Project")
    for words, heading in (
        ("Data", "Prompts"),
        ("Scores", "Scored answers"),
        ("Model", "Versions"),
        ("Overview", "Overview"),
        ("Projects", "Projects"),
    ):
        navigation.get_by_role("link", name=words, exact=True).press("Enter")
        expect(window.get_by_role("heading", level=1, name=heading)).to_be_visible()


@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
def test_on_a_phone_each_row_of_the_navigation_is_one_line(
    visit: Visit, work: Project, owner: User, language: str
) -> None:
    window = visit(owner, locale=language, **PHONE)
    for page in ("prompts/", "rank/"):
        window.goto(f"/projects/{work.slug}/{page}")
        for row in window.locator(".project-nav ul").all():
            box = row.bounding_box()
            assert box is not None
            assert box["height"] < 60
            links = row.locator("a").evaluate_all("all => all.map(a => a.offsetHeight)")
            assert min(links) >= 40
