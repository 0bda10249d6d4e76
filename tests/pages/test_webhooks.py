"""The pages of webhooks: an admin makes them, sees the secret once, and what was sent."""

import pytest

from annotation.models import Delivery, Project, User, Webhook
from annotation.services.webhooks import make_webhook, send_test
from tests.pages.conftest import As

HOME = "/projects/kitchen/webhooks/"
URL = "https://example.org/hook"
EVENTS = ["ranking.made", "run.ended"]


def test_the_secret_is_shown_once(as_: As, project: Project, owner: User) -> None:
    browser = as_(owner)
    page = browser.post(HOME, {"url": URL, "events": EVENTS}).content.decode()
    webhook = Webhook.objects.get()
    assert (webhook.url, webhook.events, webhook.made_by) == (URL, EVENTS, owner)
    assert webhook.secret.startswith("whsec_")
    assert webhook.secret in page
    for path in (HOME, f"{HOME}{webhook.pk}/"):
        assert webhook.secret not in browser.get(path).content.decode()


def test_a_new_secret_is_shown_once(as_: As, project: Project, owner: User) -> None:
    browser, webhook = as_(owner), make_webhook(project, owner, URL, EVENTS)
    former, path = webhook.secret, f"{HOME}{webhook.pk}/"
    page = browser.post(f"{path}secret/").content.decode()
    webhook.refresh_from_db()
    assert webhook.secrets == [webhook.secret, former]
    assert webhook.secret in page
    later = browser.get(path).content.decode()
    assert webhook.secret not in later
    assert "signed with the former secret too" in later


def test_nobody_else_renews_a_secret(
    as_: As, project: Project, owner: User, labeler: User, stranger: User
) -> None:
    webhook = make_webhook(project, owner, URL, EVENTS)
    path = f"{HOME}{webhook.pk}/secret/"
    assert as_(labeler).post(path).status_code == 403
    assert as_(stranger).post(path).status_code == 404
    assert as_(owner).get(path).status_code == 405
    assert Webhook.objects.get().secret == webhook.secret


@pytest.mark.parametrize(
    "said",
    [
        {"url": "http://10.0.0.1/", "events": EVENTS},
        {"url": "ftp://example.org/", "events": EVENTS},
        {"url": URL, "events": ["everything"]},
        {"url": URL},
        {"events": EVENTS},
    ],
)
def test_what_cannot_be_sent_to_is_refused(
    as_: As, project: Project, owner: User, said: dict[str, str]
) -> None:
    assert as_(owner).post(HOME, said).context["form"].errors
    assert not Webhook.objects.exists()


def test_one_is_changed_switched_off_and_deleted(as_: As, project: Project, owner: User) -> None:
    browser = as_(owner)
    webhook = make_webhook(project, owner, URL, EVENTS)
    path = f"{HOME}{webhook.pk}/"
    browser.post(path, {"url": f"{URL}/2", "events": ["run.ended"]})
    webhook.refresh_from_db()
    assert (webhook.url, webhook.events, webhook.is_active) == (f"{URL}/2", ["run.ended"], False)
    browser.post(f"{path}delete/")
    assert not Webhook.objects.exists()


def test_a_test_is_logged_and_sent_again(as_: As, project: Project, owner: User) -> None:
    browser = as_(owner)
    webhook = make_webhook(project, owner, URL, EVENTS)
    browser.post(f"{HOME}{webhook.pk}/test/")
    delivery = webhook.deliveries.get()
    Delivery.objects.update(status="failed", answer_status=500, answer="<b>Oh no</b>", attempts=9)
    page = browser.get(f"{HOME}{webhook.pk}/").content.decode()
    assert "given up" in page
    assert "&lt;b&gt;Oh no&lt;/b&gt;" in page
    browser.post(f"{HOME}{webhook.pk}/{delivery.pk}/again/")
    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts) == ("waiting", 0)


def test_nobody_else_sees_or_sends_anything(
    as_: As, project: Project, owner: User, labeler: User, stranger: User
) -> None:
    webhook = make_webhook(project, owner, URL, EVENTS)
    delivery = send_test(webhook)
    other = Project.objects.create(name="Other", slug="other")
    other.memberships.create(user=owner, role="owner")
    actions = ("test/", "delete/", f"{delivery.pk}/again/")
    for user, home, status in (
        (labeler, HOME, 403),
        (stranger, HOME, 404),
        (owner, "/projects/other/webhooks/", 404),
    ):
        assert as_(user).get(f"{home}{webhook.pk}/").status_code == status
        for action in actions:
            assert as_(user).post(f"{home}{webhook.pk}/{action}").status_code == status
    assert [as_(owner).get(f"{HOME}{webhook.pk}/{each}").status_code for each in actions] == [
        405
    ] * 3
    assert Webhook.objects.exists()
