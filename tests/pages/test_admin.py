"""Django's admin: everything can be looked at, and triples taken out by those who may."""

import json

import pytest
from django.contrib import admin as site
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from annotation.judgment.judgment import Judgment
from annotation.models import Project, Triple, User
from annotation.services.assignments import take_assignment
from annotation.services.projects import create_project
from annotation.services.rankings import submit_ranking
from tests.pages.conftest import As
from tests.people import ready_group

OURS = [
    model._meta.label_lower
    for model in site.site._registry
    if model._meta.app_label in {"annotation", "rewardmodel"}
]
TRIPLES = "/admin/annotation/triple/"


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root")


@pytest.fixture
def ranked(project: Project, labeler: User) -> Project:
    ready_group(project)
    assignment = take_assignment(project, labeler)
    assert assignment is not None
    assert assignment.token is not None
    submit_ranking(labeler, Judgment({0: 1, 1: 2, 2: 3}), token=assignment.token)
    return project


def staff(user: User) -> User:
    user.is_staff = True
    user.save()
    user.user_permissions.add(Permission.objects.get(codename="view_triple"))
    return user


@pytest.mark.parametrize("label", OURS)
def test_every_list_opens(as_: As, ranked: Project, root: User, label: str) -> None:
    path = reverse(f"admin:{label.replace('.', '_')}_changelist")
    assert as_(root).get(path).status_code == 200


def test_what_the_loop_wrote_cannot_be_changed_by_hand(
    as_: As, ranked: Project, root: User
) -> None:
    triple = Triple.objects.all()[0]
    browser = as_(root)
    assert browser.get(f"{TRIPLES}{triple.pk}/change/").status_code == 200
    assert browser.post(f"{TRIPLES}{triple.pk}/change/", {"score": 0}).status_code == 403
    assert browser.post(f"{TRIPLES}{triple.pk}/delete/", {"post": "yes"}).status_code == 403


def test_staff_see_the_triples_of_projects_they_run_only(
    as_: As, ranked: Project, owner: User, stranger: User
) -> None:
    create_project(Project(name="Other", slug="other"), stranger)
    assert "3 triples" in as_(staff(owner)).get(TRIPLES).content.decode()
    assert "0 triples" in as_(staff(stranger)).get(TRIPLES).content.decode()


def test_labelers_among_the_staff_see_no_triples(as_: As, ranked: Project, labeler: User) -> None:
    assert "0 triples" in as_(staff(labeler)).get(TRIPLES).content.decode()


@pytest.mark.parametrize(
    ("search", "found"), [("**1**", "1 triple"), ("labeler", "3 triples"), ("nothing", "0 triples")]
)
def test_triples_are_found_by_answer_and_labeler(
    as_: As, ranked: Project, root: User, search: str, found: str
) -> None:
    assert found in as_(root).get(TRIPLES, {"q": search}).content.decode()


def test_chosen_triples_are_downloaded(as_: As, ranked: Project, owner: User) -> None:
    chosen = list(Triple.objects.values_list("pk", flat=True)[:2])
    browser = as_(staff(owner))
    sent = {"action": "download_as_jsonl", "_selected_action": chosen}
    lines = browser.post(TRIPLES, sent).getvalue().splitlines()
    assert len([json.loads(line) for line in lines]) == 2
    sent["action"] = "download_as_csv"
    assert (
        browser.post(TRIPLES, sent).getvalue().decode("utf-8-sig").startswith('"question","answer"')
    )


def staff_of_everything(user: User) -> User:
    """One who may look at every table and change people."""
    user.is_staff = True
    user.save()
    user.user_permissions.set(Permission.objects.all())
    return user


@pytest.mark.parametrize("label", OURS)
def test_staff_see_rows_of_the_projects_they_run_only(
    as_: As, ranked: Project, owner: User, stranger: User, label: str
) -> None:
    create_project(Project(name="Secret", slug="secret"), stranger)
    path = reverse(f"admin:{label.replace('.', '_')}_changelist")
    for user, hidden in ((owner, "Secret"), (stranger, ranked.name)):
        html = as_(staff_of_everything(user)).get(path).content.decode()
        assert hidden not in html
    rows = as_(stranger).get(path).context["cl"].queryset
    for row in rows:
        assert getattr(row, "project", None) is None or row.project.name == "Secret"


def test_a_row_of_another_project_is_not_opened_by_its_number(
    as_: As, ranked: Project, owner: User, stranger: User
) -> None:
    browser = as_(staff_of_everything(stranger))
    for row in (ranked, Triple.objects.all()[0], ranked.groups.get(), owner):
        name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
        assert browser.get(reverse(name, args=[row.pk])).status_code == 302


def test_staff_give_nobody_rights_and_take_over_no_account_that_may_do_more(
    as_: As, ranked: Project, owner: User, labeler: User, root: User
) -> None:
    ranked.memberships.create(user=root, role="labeler")
    browser = as_(staff_of_everything(owner))
    change = reverse("admin:annotation_user_change", args=[labeler.pk])
    browser.post(change, {**posted_by(browser, change), "is_superuser": "on", "is_staff": "on"})
    labeler.refresh_from_db()
    assert (labeler.is_superuser, labeler.is_staff) == (False, False)
    for path in ("change", "delete"):
        other = reverse(f"admin:annotation_user_{path}", args=[root.pk])
        assert browser.post(other, {"post": "yes"}).status_code == 403
    password = reverse("admin:auth_user_password_change", args=[root.pk])
    assert browser.get(password).status_code == 403


def posted_by(browser: Client, path: str) -> dict[str, object]:
    form = browser.get(path).context["adminform"].form
    return {name: form[name].value() or "" for name in form.fields}
