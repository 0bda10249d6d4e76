"""Who is in a project, and what they may do there."""

import re

import pytest
from django.test import Client

from annotation.models import Membership, Project, User
from annotation.services.assignments import take_assignment
from tests.pages.conftest import As
from tests.pages.project_forms import page
from tests.people import ready_group


def test_somebody_with_an_account_is_added_by_name(
    as_: As, project: Project, owner: User, stranger: User
) -> None:
    data = {"add": "1", "add-username": "stranger", "add-role": "admin"}
    as_(owner).post(page(project), data)
    assert project.memberships.get(user=stranger).role == "admin"


@pytest.mark.parametrize(
    ("name", "reason"), [("nobody", "Nobody is called"), ("owner", "is a member already")]
)
def test_a_name_that_cannot_be_added_says_why(
    as_: As, project: Project, owner: User, name: str, reason: str
) -> None:
    data = {"add": "1", "add-username": name, "add-role": "labeler"}
    assert reason in as_(owner).post(page(project), data).content.decode()
    assert project.memberships.get(user=owner).role == "owner"


def test_the_owner_role_is_not_given_away_by_the_form(
    as_: As, project: Project, owner: User, stranger: User
) -> None:
    data = {"add": "1", "add-username": "stranger", "add-role": "owner"}
    as_(owner).post(page(project), data)
    assert not project.memberships.filter(user=stranger).exists()


def test_a_new_labeler_can_log_in_with_the_password_that_was_shown(
    as_: As, project: Project, owner: User
) -> None:
    browser = as_(owner)
    html = browser.post(page(project), {"create": "1", "new-username": "mei"}).content.decode()
    found = re.search(r'class="secret">([^<]+)<', html)
    assert found is not None
    assert Client().login(username="mei", password=found[1])
    assert project.memberships.get(user__username="mei").role == "labeler"
    assert found[1] not in browser.get(page(project)).content.decode()


def test_a_taken_name_is_refused(as_: As, project: Project, owner: User) -> None:
    html = as_(owner).post(page(project), {"create": "1", "new-username": "Owner"})
    assert "is taken, or reads like one that is: choose another" in html.content.decode()


@pytest.mark.parametrize(
    "name",
    ["ｏｗｎｅｒ", "OWNER", "оwner", "0wner", "ownеr", "ᴏᴡner"],
    ids=["full width", "capitals", "one Cyrillic letter", "a digit", "another", "small capitals"],
)
def test_a_name_that_reads_like_another_is_refused_in_a_sentence(
    as_: As, project: Project, owner: User, name: str
) -> None:
    html = as_(owner).post(page(project), {"create": "1", "new-username": name})
    assert "reads like one that is: choose another" in html.content.decode()
    assert User.objects.count() == 1


@pytest.mark.parametrize("name", ["mei", "梅", "Müller", "owner2", "оля"])
def test_other_names_are_taken(as_: As, project: Project, owner: User, name: str) -> None:
    as_(owner).post(page(project), {"create": "1", "new-username": name})
    assert project.memberships.filter(user__username=name).exists()


def test_a_name_that_grows_too_long_when_it_is_normalized_is_refused(
    as_: As, project: Project, owner: User
) -> None:
    html = as_(owner).post(page(project), {"create": "1", "new-username": "ﷺ" * 20})
    assert "at most 150 characters" in html.content.decode()


def test_somebody_is_found_by_their_name_however_it_is_typed(
    as_: As, project: Project, owner: User, stranger: User
) -> None:
    data = {"add": "1", "add-username": "ｓtranger", "add-role": "labeler"}
    as_(owner).post(page(project), data)
    assert project.memberships.filter(user=stranger).exists()


def test_djangos_admin_refuses_a_name_that_reads_like_another(as_: As, owner: User) -> None:
    root = User.objects.create_superuser("root")
    password = "a-long-password-of-nobody"
    sent = {"username": "оwner", "password1": password, "password2": password}
    html = as_(root).post("/admin/annotation/user/add/", {**sent, "usable_password": "true"})
    assert "reads like one that is" in html.content.decode()
    owner.is_staff = True
    owner.full_clean()  # a name that is kept is not looked at again


def test_a_member_is_removed_and_their_group_is_free_again(
    as_: As, project: Project, owner: User, labeler: User
) -> None:
    group = ready_group(project)
    take_assignment(project, labeler)
    membership = project.memberships.get(user=labeler)
    as_(owner).post(page(project, "member", membership.pk), {"remove": "1"})
    assert not project.memberships.filter(user=labeler).exists()
    assert group.assignments.get().labeler is None


def test_somebody_is_removed_only_after_a_question(
    as_: As, project: Project, owner: User, labeler: User
) -> None:
    browser = as_(owner)
    membership = project.memberships.get(user=labeler)
    asking = page(project, "member_remove", membership.pk)
    assert f'href="{asking}"' in browser.get(page(project)).content.decode()
    assert 'name="remove"' not in browser.get(page(project)).content.decode()
    html = browser.get(asking).content.decode()
    assert "Remove labeler from Kitchen?" in html
    assert f'action="{page(project, "member", membership.pk)}"' in html
    assert project.memberships.filter(user=labeler).exists()
    chinese = browser.get(asking, headers={"accept-language": "zh-CN"}).content.decode()
    assert "将 labeler 从 Kitchen 移除？" in chinese
    ownership = project.memberships.get(role=Membership.Role.OWNER)
    assert browser.get(page(project, "member_remove", ownership.pk)).status_code == 404
    assert as_(labeler).get(asking).status_code == 403


@pytest.mark.parametrize("change", [{"remove": "1"}, {"role": "labeler"}])
def test_the_owner_stays_the_owner(
    as_: As, project: Project, admin: User, change: dict[str, str]
) -> None:
    ownership = project.memberships.get(role=Membership.Role.OWNER)
    as_(admin).post(page(project, "member", ownership.pk), change)
    ownership.refresh_from_db()
    assert ownership.role == "owner"


def test_a_role_is_changed(as_: As, project: Project, owner: User, labeler: User) -> None:
    membership = project.memberships.get(user=labeler)
    as_(owner).post(page(project, "member", membership.pk), {"role": "admin"})
    membership.refresh_from_db()
    assert membership.role == "admin"
