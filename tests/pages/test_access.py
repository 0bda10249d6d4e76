"""Who may open what: members rank, admins run the project, strangers learn nothing."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from annotation.models import Project, User
from annotation.selectors import desks
from annotation.services.demonstrations import write_demonstration
from tests.pages.conftest import As
from tests.people import answer_everything, ask, champion, ready_group

ADMIN_PAGES = [
    *("project", "prompts", "imports", "groups", "triples", "exports", "webhooks", "flags"),
    *("skips", "snapshots", "versions", "comparisons", "runs", "playground", "word_chain"),
    "pretraining",
    "people",
    "project_settings",
]
LABELER_PAGES = ["rank", "mine", "ahead", "write"]
LABELER_POSTS = ["give_back", "skip", "flag", "draft", "undo", "write_draft"]
ADMIN_POSTS = [
    *("generate", "run_start", "groups_retry"),
    *("word_chain_ask", "playground_ask", "playground_keep"),
]


def every_page(project: Project) -> list[str]:
    return [reverse(name, args=[project.slug]) for name in [*ADMIN_PAGES, *LABELER_PAGES]]


def test_who_is_not_logged_in_is_asked_to_log_in(client: Client, project: Project) -> None:
    for page in every_page(project):
        assert client.get(page).headers["Location"] == f"/login/?next={page}"


def test_strangers_and_labelers_of_another_project_learn_nothing(
    as_: As, project: Project, stranger: User, neighbour: User
) -> None:
    for user in (stranger, neighbour):
        browser = as_(user)
        for page in every_page(project):
            assert browser.get(page).status_code == 404


@pytest.mark.parametrize("page", ADMIN_PAGES)
def test_labelers_do_not_see_pages_of_admins(
    as_: As, project: Project, labeler: User, page: str
) -> None:
    assert as_(labeler).get(reverse(page, args=[project.slug])).status_code == 403


@pytest.mark.parametrize("page", ADMIN_PAGES)
def test_admins_and_owner_see_pages_of_admins(
    as_: As, project: Project, owner: User, admin: User, page: str
) -> None:
    for user in (owner, admin):
        assert as_(user).get(reverse(page, args=[project.slug])).status_code == 200


def test_superusers_see_projects_without_being_members(as_: As, project: Project) -> None:
    root = User.objects.create_superuser("root")
    assert as_(root).get(reverse("project", args=[project.slug])).status_code == 200


@pytest.mark.parametrize("action", ADMIN_POSTS)
def test_only_admins_start_things(
    as_: As, project: Project, labeler: User, stranger: User, action: str
) -> None:
    path = reverse(action, args=[project.slug])
    assert as_(labeler).post(path).status_code == 403
    assert as_(stranger).post(path).status_code == 404


@pytest.mark.parametrize("action", ADMIN_POSTS)
def test_a_link_starts_nothing(as_: As, project: Project, owner: User, action: str) -> None:
    assert as_(owner).get(reverse(action, args=[project.slug])).status_code == 405


def test_labelers_do_not_download_triples(as_: As, project: Project, labeler: User) -> None:
    path = reverse("triples_file", args=[project.slug, "csv"])
    assert as_(labeler).get(path).status_code == 403


def test_what_belongs_to_another_project_is_not_there(
    as_: As, project: Project, owner: User
) -> None:
    group = ready_group(project)
    policy = champion(project)
    other = Project.objects.create(name="Other", slug="other")
    other.memberships.create(user=owner, role="owner")
    membership = project.memberships.get(user=owner)
    browser = as_(owner)
    assert browser.get(reverse("group", args=["other", group.pk])).status_code == 404
    assert browser.post(reverse("serve", args=["other", "policy", policy.pk])).status_code == 404
    assert browser.post(reverse("member", args=["other", membership.pk])).status_code == 404


def test_home_shows_own_projects_only(as_: As, project: Project, stranger: User) -> None:
    assert project.name not in as_(stranger).get("/").content.decode()


def test_home_offers_labelers_work_and_admins_the_project(
    as_: As, project: Project, labeler: User, admin: User
) -> None:
    ready_group(project)
    seen_by_labeler = as_(labeler).get("/").content.decode()
    assert "<strong>1</strong> group of answers waits for you" in seen_by_labeler
    assert "Open project" not in seen_by_labeler
    assert "Open project" in as_(admin).get("/").content.decode()


def test_home_says_what_there_is_to_do_and_invites_only_to_that(
    as_: As, project: Project, labeler: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    browser, primary = as_(labeler), 'class="button primary"'
    with CaptureQueriesContext(connection) as nothing:
        html = browser.get("/").content.decode()
    assert "Nothing waits for you at the moment." in html
    assert "Start ranking" in html
    assert html.count(primary) == 0
    project.demonstrations_wanted = 1
    project.mode = Project.Mode.THUMBS
    project.save()
    ask(project, "Only to be written?")
    with django_assert_num_queries(len(nothing)):
        html = browser.get("/").content.decode()
    assert "There are questions for which you can write an answer." in html
    assert "Nothing waits for you" not in html
    assert "Start judging" in html
    assert f'{primary} href="{reverse("write", args=[project.slug])}"' in html
    assert html.count(primary) == 1
    answer_everything(project)
    write_demonstration(project.prompts.get(), labeler, "Written.")
    html = browser.get("/").content.decode()
    assert "There are questions" not in html
    assert f'{primary} href="{reverse("rank", args=[project.slug])}"' in html
    assert html.count(primary) == 1


def test_home_counts_a_long_queue_up_to_a_limit(
    as_: As, project: Project, labeler: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desks, "MOST_COUNTED", 2)
    for number in range(3):
        ready_group(project, f"How do I boil egg {number}?")
    seen = as_(labeler).get("/").content.decode()
    assert "<strong>2+</strong> groups of answers wait for you" in seen


def test_only_staff_makes_projects(as_: As, labeler: User) -> None:
    assert as_(labeler).get("/projects/new/").status_code == 403
    labeler.is_staff = True
    labeler.save()
    assert as_(labeler).get("/projects/new/").status_code == 200


@pytest.mark.parametrize("action", LABELER_POSTS)
def test_strangers_do_nothing_at_the_desk(
    as_: As, project: Project, stranger: User, labeler: User, action: str
) -> None:
    path = reverse(action, args=[project.slug])
    assert as_(stranger).post(path).status_code == 404
    assert as_(labeler).get(path).status_code == 405


def test_what_is_behind_the_login_stays_in_no_cache(as_: As, project: Project, owner: User) -> None:
    browser = as_(owner)
    pages = [*every_page(project), "/", "/projects/new/", "/nothing/", "/projects/nothing/rank/"]
    for page in pages:
        assert "no-store" in browser.get(page).headers["Cache-Control"], page


def test_neither_does_what_is_taken_out_of_it(as_: As, project: Project, owner: User) -> None:
    response = as_(owner).get(reverse("triples_file", args=[project.slug, "csv"]))
    assert "no-store" in response.headers["Cache-Control"]
