"""A form that is sent twice, as by a double click, does once what it says, and answers the same."""

import re
import uuid
from typing import Any

import pytest
from django.test import Client

from annotation.models import Flag, Project, User
from annotation.services.people import PersonRefused, create_labeler
from tests.pages.conftest import As
from tests.pages.desk import opened, path
from tests.pages.project_forms import new_project
from tests.people import ready_group


def twice(browser: Client, address: str, data: dict[str, Any]) -> list[str]:
    return [browser.post(address, data, follow=True).content.decode() for _time in range(2)]


def password_in(html: str) -> str:
    found = re.search(r'class="secret">([^<]+)<', html)
    assert found is not None
    return found[1]


def test_a_flag_is_raised_once(as_: As, project: Project, labeler: User) -> None:
    ready_group(project)
    browser = as_(labeler)
    data = {**opened(browser, project, labeler), "flag_text": "Whose egg?"}
    assert all(
        "The admins see it now" in html for html in twice(browser, path("flag", project), data)
    )
    assert Flag.objects.count() == 1
    Flag.objects.update(resolved_at="2026-01-01T00:00Z")
    browser.post(path("flag", project), data)
    assert Flag.objects.count() == 2


def test_a_flag_is_resolved_once(as_: As, project: Project, labeler: User, owner: User) -> None:
    ready_group(project)
    browser = as_(labeler)
    data = {**opened(browser, project, labeler), "flag_text": "Whose egg?"}
    browser.post(path("flag", project), data)
    sent = {"flag": Flag.objects.get().pk}
    assert all("Flags" in html for html in twice(as_(owner), path("flags", project), sent))


def test_the_one_time_password_is_shown_both_times(as_: As, project: Project, owner: User) -> None:
    browser = as_(owner)
    form = browser.get(path("people", project)).context["new"]
    data = {"create": "1", "new-username": "mei", "new-key": form["key"].value()}
    shown = {password_in(html) for html in twice(browser, path("people", project), data)}
    assert len(shown) == 1
    assert Client().login(username="mei", password=shown.pop())


def test_a_password_that_was_changed_or_another_key_show_nothing(
    as_: As, project: Project, owner: User
) -> None:
    key = uuid.uuid4()
    password = create_labeler(project, "mei", key)
    assert len(password) >= 16
    with pytest.raises(PersonRefused, match="is taken"):
        create_labeler(project, "mei", uuid.uuid4())
    mei = User.objects.get(username="mei")
    mei.set_password("her own")
    mei.save()
    with pytest.raises(PersonRefused, match="is taken"):
        create_labeler(project, "mei", key)


def test_two_keys_give_two_passwords(project: Project) -> None:
    passwords = {create_labeler(project, f"mei{n}", uuid.uuid4()) for n in range(20)}
    assert len(passwords) == 20


def test_a_member_is_added_once(as_: As, project: Project, owner: User, stranger: User) -> None:
    data = {"add": "1", "add-username": "stranger", "add-role": "labeler"}
    assert all("was added" in html for html in twice(as_(owner), path("people", project), data))


def test_a_member_is_removed_once(as_: As, project: Project, owner: User, labeler: User) -> None:
    pk = project.memberships.get(user=labeler).pk
    pages = twice(as_(owner), path("member", project, pk), {"remove": "1"})
    assert all("<h1>People</h1>" in html for html in pages)
    assert not project.memberships.filter(user=labeler).exists()


def test_a_project_is_made_once(as_: As, owner: User) -> None:
    owner.is_staff = True
    owner.save()
    browser = as_(owner)
    pages = twice(browser, "/projects/new/", new_project(browser))
    assert all("<h1>Prompts</h1>" in html for html in pages)
    assert Project.objects.filter(slug="garden").count() == 1
