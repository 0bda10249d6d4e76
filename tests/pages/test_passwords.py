"""One's own password, and those that somebody else makes."""

import re
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from annotation.models import Membership, Project, User
from annotation.services import login
from annotation.services.projects import create_project, set_member
from tests.pages.conftest import As
from tests.people import PASSWORD, member

CHOSEN = "an owl in the orchard"
TWICE = {"new_password1": CHOSEN, "new_password2": CHOSEN}
ONE_TIME = re.compile(r'class="secret">([^<]+)<')


@pytest.fixture(autouse=True)
def _nothing_counted() -> None:
    cache.clear()


def log_in(name: str, password: str) -> Client:
    client = Client()
    client.post("/login/", {"username": name, "password": password})
    return client


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def reset(browser: Client, project: Project, user: User) -> Any:
    membership = project.memberships.get(user=user)
    return browser.post(reverse("member", args=[project.slug, membership.pk]), {"password": "1"})


def one_time_password(html: str) -> str:
    found = ONE_TIME.search(html)
    assert found is not None
    return found[1]


# One's own


def test_ones_own_password_is_changed_and_one_stays_logged_in(as_: As, labeler: User) -> None:
    browser = as_(labeler)
    response = browser.post("/password/", {"old_password": PASSWORD, **TWICE}, follow=True)
    assert "Your password was changed." in response.content.decode()
    assert is_in(browser)
    assert is_in(log_in("labeler", CHOSEN))
    assert not is_in(log_in("labeler", PASSWORD))


def test_other_browsers_are_logged_out_by_it(as_: As, labeler: User) -> None:
    other = as_(labeler)
    as_(labeler).post("/password/", {"old_password": PASSWORD, **TWICE})
    assert other.get("/").headers["Location"] == "/login/?next=/"


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ({"old_password": "wrong", **TWICE}, "old password was entered incorrectly"),
        ({"old_password": PASSWORD, "new_password1": CHOSEN}, "required"),
        (
            {"old_password": PASSWORD, "new_password1": "12345", "new_password2": "12345"},
            "too short",
        ),
    ],
)
def test_a_change_that_cannot_be_says_why(
    as_: As, labeler: User, sent: dict[str, str], reason: str
) -> None:
    assert reason in as_(labeler).post("/password/", sent).content.decode()
    assert is_in(log_in("labeler", PASSWORD))


def test_guessing_the_present_password_is_braked(
    as_: As, labeler: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("annotation.services.login.time", lambda: 1_000_000_000)
    browser = as_(labeler)
    sent = {"old_password": "wrong", **TWICE}
    answers = [browser.post("/password/", sent) for _ in range(login.HURRY.limit + 1)]
    assert (answers[-2].status_code, answers[-1].status_code) == (200, 429)
    assert int(answers[-1].headers["Retry-After"]) > 0


def test_djangos_admin_leads_to_the_page_for_it(as_: As, db: None) -> None:
    root = User.objects.create_superuser("root")
    for path in ("/admin/password_change/", f"/admin/annotation/user/{root.pk}/password/"):
        assert as_(root).get(path).headers["Location"] == "/password/"


# Made by somebody else


def test_a_new_labeler_chooses_a_password_before_anything_else(
    as_: As, project: Project, owner: User
) -> None:
    people = reverse("people", args=[project.slug])
    html = as_(owner).post(people, {"create": "1", "new-username": "mei"}).content.decode()
    given = one_time_password(html)
    browser = log_in("mei", given)
    for path in ("/", reverse("rank", args=[project.slug]), "/admin/"):
        assert browser.get(path).headers["Location"] == "/password/"
    assert "old_password" not in browser.get("/password/").content.decode()
    refused = browser.post("/password/", {"new_password1": given, "new_password2": given})
    assert "Choose another password" in refused.content.decode()
    assert browser.post("/password/", TWICE).headers["Location"] == "/"
    assert browser.get(reverse("rank", args=[project.slug])).status_code == 200
    assert is_in(log_in("mei", CHOSEN))


def test_who_has_to_choose_can_log_out_and_change_the_language(db: None, stranger: User) -> None:
    stranger.must_change_password = True
    stranger.save()
    browser = log_in("stranger", PASSWORD)
    response = browser.post("/language/", {"language": "zh-hans", "next": "/password/"})
    assert response.headers["Location"] == "/password/"
    assert "你的密码" in browser.get("/password/").content.decode()
    assert browser.post("/logout/").headers["Location"] == "/login/"


def test_an_admin_gives_a_member_a_password_for_once(
    as_: As, project: Project, admin: User, labeler: User
) -> None:
    held = as_(labeler)
    html = reset(as_(admin), project, labeler).content.decode()
    given = one_time_password(html)
    assert held.get("/").headers["Location"] == "/login/?next=/"
    assert not is_in(log_in("labeler", PASSWORD))
    assert log_in("labeler", given).get("/").headers["Location"] == "/password/"


def is_refused(browser: Client, project: Project, user: User) -> bool:
    before = user.password
    response = reset(browser, project, user)
    user.refresh_from_db()
    return response.status_code == 302 and user.password == before


def test_nobody_gets_hold_of_an_account_that_may_do_more(
    as_: As, project: Project, owner: User, admin: User
) -> None:
    other = create_project(Project(name="Other", slug="other"), owner)
    elsewhere = member(project, "elsewhere")
    set_member(other, elsewhere, Membership.Role.LABELER)
    staff = member(project, "staff")
    staff.is_staff = True
    staff.save()
    browser = as_(admin)
    for user in (owner, elsewhere, staff):
        assert is_refused(browser, project, user)
    assert not is_refused(as_(owner), project, elsewhere)  # runs both projects


def test_labelers_and_strangers_reset_nothing(
    as_: As, project: Project, labeler: User, stranger: User
) -> None:
    other = member(project, "other")
    assert reset(as_(labeler), project, other).status_code == 403
    assert reset(as_(stranger), project, other).status_code == 404


def test_a_password_made_in_djangos_admin_is_for_once(as_: As, stranger: User) -> None:
    root = User.objects.create_superuser("root")
    browser = as_(root)
    sent = {"password1": CHOSEN, "password2": CHOSEN, "usable_password": "true"}
    browser.post(f"/admin/annotation/user/{stranger.pk}/password/", sent)
    browser.post("/admin/annotation/user/add/", {"username": "mei", **sent})
    for name in ("stranger", "mei"):
        assert log_in(name, CHOSEN).get("/").headers["Location"] == "/password/"
