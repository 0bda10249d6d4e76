"""Webhooks in a real browser."""

from collections.abc import Iterator
from ipaddress import ip_network

import pytest
from playwright.sync_api import expect
from pytest_django import Settings

from annotation.models import Project, User
from annotation.services.deliveries import deliver
from annotation.services.webhooks import send_test
from tests.annotation.receiver import Receiver, receiving
from tests.browser.conftest import Visit
from tests.browser.test_accessible import STILL, in_both_themes_and_languages, serious

HOME = "/projects/kitchen/webhooks/"


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    settings.WEBHOOK_NETWORKS = [ip_network("127.0.0.0/8")]
    with receiving() as receiver:
        yield receiver


def test_a_webhook_is_made_tested_and_its_log_read(
    visit: Visit, project: Project, owner: User, receiver: Receiver
) -> None:
    window = visit(owner)
    window.goto(HOME)
    window.get_by_label("Address").fill(receiver.url)
    window.get_by_label("a training run ended").check()
    window.get_by_role("button", name="Make the webhook").click()
    secret = window.locator("code.secret").inner_text()
    window.get_by_role("button", name="Send a test").click()
    deliver()
    window.reload()
    expect(window.get_by_role("row").filter(has_text="test").get_by_text("200")).to_be_visible()
    assert [each["type"] for each in receiver.checked(secret)] == ["test"]


@in_both_themes_and_languages
def test_axe_finds_nothing_serious_on_the_pages_of_webhooks(
    visit: Visit, project: Project, owner: User, receiver: Receiver, scheme: str, language: str
) -> None:
    window = visit(owner, color_scheme=scheme, locale=language, **STILL)
    window.goto(HOME)
    window.locator("#id_url").fill(receiver.url)
    window.locator("[name=events]").first.check()
    window.locator("form .primary").first.click()
    expect(window.locator("code.secret")).to_be_visible()
    assert serious(window) == [], "made"
    webhook = project.webhooks.get()
    for statuses in ([200], [500]):
        receiver.statuses = statuses
        send_test(webhook)
        deliver()
    window.goto(f"{HOME}{webhook.pk}/")
    for details in window.locator("details").all():
        details.evaluate("one => { one.open = true; }")
    assert serious(window) == [], "log"
    window.set_viewport_size({"width": 375, "height": 800})
    assert serious(window) == [], "phone"
