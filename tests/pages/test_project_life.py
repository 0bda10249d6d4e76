"""A project is copied, archived, put back and deleted from its settings."""

import pytest
from django.urls import reverse

from annotation.models import ApiToken, Project, User
from annotation.services.tokens import make_token
from tests.pages.conftest import As
from tests.pages.project_forms import page
from tests.pages.test_access import ADMIN_PAGES
from tests.people import ready_group

ADMIN_POSTS = ["project_archive", "project_restore"]


@pytest.fixture
def archived(as_: As, project: Project, owner: User) -> Project:
    as_(owner).post(page(project, "project_archive"))
    project.refresh_from_db()
    return project


def test_the_owner_archives_and_puts_back(as_: As, project: Project, owner: User) -> None:
    browser = as_(owner)
    browser.post(page(project, "project_archive"))
    project.refresh_from_db()
    assert (project.archived_at is not None, project.is_active) == (True, False)
    html = browser.get(page(project, "project_settings")).content.decode()
    assert "This project is archived" in html
    browser.post(page(project, "project_restore"))
    project.refresh_from_db()
    assert (project.archived_at, project.is_active) == (None, False)


@pytest.mark.parametrize("action", ["project_archive", "project_restore", "project_delete"])
def test_nobody_but_the_owner_does(
    as_: As, project: Project, admin: User, labeler: User, stranger: User, action: str
) -> None:
    for user, status in ((admin, 403), (labeler, 403), (stranger, 404)):
        sent = as_(user).post(page(project, action), {"name": project.name})
        assert sent.status_code == status
    project.refresh_from_db()
    assert project.archived_at is None


@pytest.mark.parametrize("action", ADMIN_POSTS)
def test_a_link_changes_nothing(as_: As, project: Project, owner: User, action: str) -> None:
    assert as_(owner).get(page(project, action)).status_code == 405


@pytest.mark.parametrize("name", [*ADMIN_PAGES, "project_copy", "project_delete"])
def test_every_page_of_an_archived_project_can_be_read(
    as_: As, archived: Project, owner: User, name: str
) -> None:
    owner.is_staff = True
    owner.save()
    assert as_(owner).get(page(archived, name)).status_code == 200


@pytest.mark.parametrize("name", ["project_settings", "people", "prompts", "run_start", "imports"])
def test_what_is_sent_to_one_changes_nothing_and_says_what_to_do(
    as_: As, archived: Project, owner: User, name: str
) -> None:
    answer = as_(owner).post(page(archived, name), {"name": "Changed"}, follow=True)
    assert "put it back first" in answer.content.decode()
    archived.refresh_from_db()
    assert archived.name == "Kitchen"


def test_a_script_that_sends_to_one_is_told_so(as_: As, archived: Project, owner: User) -> None:
    headers = {"accept": "application/json"}
    answer = as_(owner).post(page(archived, "word_chain_ask"), headers=headers)
    assert (answer.status_code, b"put it back" in answer.content) == (409, True)


def test_its_data_can_still_be_taken_out(as_: As, archived: Project, owner: User) -> None:
    answer = as_(owner).post(page(archived, "exports"), {}, follow=True)
    assert "put it back first" not in answer.content.decode()


def test_nobody_ranks_in_one_and_it_is_in_no_list(
    as_: As, project: Project, owner: User, labeler: User
) -> None:
    ready_group(project)
    as_(owner).post(page(project, "project_archive"))
    for name in ("rank", "mine", "write"):
        assert as_(labeler).get(page(project, name)).status_code == 404
    assert project.name not in as_(labeler).get("/").content.decode()
    seen_by_owner = as_(owner).get("/").content.decode()
    assert "Archived projects" in seen_by_owner
    assert page(project, "rank") not in seen_by_owner


def test_strangers_learn_nothing_of_one(as_: As, archived: Project, stranger: User) -> None:
    assert as_(stranger).post(page(archived, "people")).status_code == 404


def test_programs_read_one_and_write_nothing(as_: As, archived: Project, owner: User) -> None:
    _, secret = make_token(owner, name="a program", scope=ApiToken.Scope.WRITE, days=1)
    headers = {"authorization": f"Bearer {secret}"}
    browser = as_(owner)
    assert browser.get("/api/v1/projects", headers=headers).json()["items"] == []
    path = f"/api/v1/projects/{archived.slug}/prompts"
    assert browser.get(path, headers=headers).status_code == 200
    sent = {"prompts": [{"prompt": "Why?"}]}
    answer = browser.post(path, sent, content_type="application/json", headers=headers)
    assert (answer.status_code, archived.prompts.count()) == (409, 0)


# Deleting


def test_only_an_archived_project_is_deleted(as_: As, project: Project, owner: User) -> None:
    answer = as_(owner).post(page(project, "project_delete"), {"name": project.name}, follow=True)
    assert "archive it first" in answer.content.decode()
    project.refresh_from_db()
    assert project.deletion_asked_at is None


def test_its_name_has_to_be_typed(as_: As, archived: Project, owner: User) -> None:
    answer = as_(owner).post(page(archived, "project_delete"), {"name": "Garden"})
    assert "not the project&#x27;s name" in answer.content.decode()
    archived.refresh_from_db()
    assert archived.deletion_asked_at is None


def test_a_project_that_is_being_deleted_is_found_by_nobody(
    as_: As, archived: Project, owner: User
) -> None:
    browser = as_(owner)
    answer = browser.post(page(archived, "project_delete"), {"name": "Kitchen"}, follow=True)
    assert "is being deleted" in answer.content.decode()
    assert browser.get(page(archived, "project")).status_code == 404
    assert f'href="{page(archived, "project")}"' not in browser.get("/").content.decode()


# Copying


def test_a_copy_has_settings_people_and_prompts_and_nothing_that_was_said(
    as_: As, project: Project, owner: User, admin: User, labeler: User
) -> None:
    ready_group(project, "How?")
    project.prompts.update(split="heldout", is_withdrawn=True)
    Project.objects.update(temperature=0.5, policy_settings={"steps": 8, "starts_from": 0})
    admin.is_staff = True
    admin.save()
    sent = {"name": "Garden", "slug": "garden", "with_prompts": "on"}
    answer = as_(admin).post(page(project, "project_copy"), sent)
    copy = Project.objects.get(slug="garden")
    assert answer.headers["Location"] == page(copy, "project")
    assert (copy.temperature, copy.policy_settings) == (0.5, {"steps": 8})
    roles = dict(copy.memberships.values_list("user__username", "role"))
    assert roles == {"admin": "owner", "owner": "admin", "labeler": "labeler"}
    prompt = copy.prompts.get()
    assert (prompt.split, prompt.is_withdrawn, prompt.last_policy_number) == ("heldout", True, -1)
    assert copy.groups.count() == 0
    assert [version.number for version in copy.policyversions.all()] == [0]


def test_a_copy_begins_with_no_base_model_that_its_maker_may_not_choose(
    as_: As, project: Project, owner: User
) -> None:
    owner.is_staff = True
    owner.save()
    Project.objects.update(policy_model="/srv/models/of-others")
    as_(owner).post(page(project, "project_copy"), {"name": "Garden", "slug": "garden"})
    assert Project.objects.get(slug="garden").policy_model == ""


def test_a_copy_without_prompts_has_none(as_: As, project: Project, owner: User) -> None:
    ready_group(project)
    owner.is_staff = True
    owner.save()
    as_(owner).post(page(project, "project_copy"), {"name": "Garden", "slug": "garden"})
    assert Project.objects.get(slug="garden").prompts.count() == 0


def test_who_may_make_no_projects_makes_no_copies(
    as_: As, project: Project, admin: User, labeler: User, stranger: User
) -> None:
    for user, status in ((admin, 403), (labeler, 403), (stranger, 404)):
        assert as_(user).get(page(project, "project_copy")).status_code == status


def test_a_copy_needs_an_address_that_is_free(as_: As, project: Project, owner: User) -> None:
    owner.is_staff = True
    owner.save()
    answer = as_(owner).post(page(project, "project_copy"), {"name": "Twin", "slug": project.slug})
    assert "slug" in answer.context["form"].errors


def test_settings_of_a_project_offer_to_archive_it_to_its_owner_only(
    as_: As, project: Project, owner: User, admin: User
) -> None:
    archive = reverse("project_archive", args=[project.slug])
    settings = page(project, "project_settings")
    assert archive in as_(owner).get(settings).content.decode()
    seen_by_admin = as_(admin).get(settings).content.decode()
    assert archive not in seen_by_admin
    assert "Only the project's owner" in seen_by_admin
