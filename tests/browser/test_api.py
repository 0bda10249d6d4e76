"""The API's page, in a real browser."""

from playwright.sync_api import expect

from annotation.models import Project, User
from annotation.services.tokens import make_token
from tests.browser.conftest import Visit


def test_the_api_is_described_and_can_be_tried_with_a_token(
    visit: Visit, project: Project, owner: User
) -> None:
    _token, secret = make_token(owner, name="try", scope="read", days=1)
    window = visit(owner)
    window.goto("/api/docs/")
    window.locator("button.authorize").click()
    window.locator(".modal-ux input").fill(secret)
    window.locator(".modal-ux button.authorize").click()
    window.locator(".modal-ux button.btn-done").click()
    window.locator(".opblock-get .opblock-summary-control").first.click()
    window.locator("button.try-out__btn").click()
    window.locator("button.execute").click()
    expect(window.locator(".live-responses-table")).to_contain_text("kitchen")
