"""Prompts ticked in a list, in a real browser."""

import pytest
from playwright.sync_api import expect

from annotation.exchange.prompts import parse_prompts
from annotation.models import Project, Prompt, User
from annotation.services.prompts import add_prompts
from tests.browser.conftest import Visit


@pytest.fixture
def many(transactional_db: None, project: Project) -> Project:
    add_prompts(project, parse_prompts(f"Question {number}?" for number in range(30)))
    return project


def test_all_of_a_page_are_ticked_at_once_and_withdrawn(
    visit: Visit, many: Project, owner: User
) -> None:
    window = visit(owner)
    window.goto(f"/projects/{many.slug}/prompts/")
    window.get_by_label("All on this page").check()
    expect(window.locator(".ticked-bar output")).to_have_text("30")
    window.locator("tbody input").first.uncheck()
    expect(window.locator(".ticked-bar output")).to_have_text("29")
    window.get_by_role("button", name="Withdraw").click()
    expect(window.locator(".messages")).to_contain_text("29")
    assert Prompt.objects.filter(project=many, is_withdrawn=True).count() == 29


@pytest.mark.parametrize("width", [1280, 390])
def test_what_can_be_done_with_ticked_rows_stays_in_sight(
    visit: Visit, many: Project, owner: User, width: int
) -> None:
    window = visit(owner, viewport={"width": width, "height": 800})
    window.goto(f"/projects/{many.slug}/prompts/")
    withdraw = window.get_by_role("button", name="Withdraw")
    expect(withdraw).not_to_be_in_viewport()
    window.locator("tbody input").first.check()
    expect(withdraw).to_be_in_viewport()
