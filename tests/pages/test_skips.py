"""The page of skipped groups."""

import pytest
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from annotation.models import Project, PromptGroup, Skip, User
from tests.pages.conftest import As
from tests.pages.desk import path
from tests.people import member, ready_group

QUERIES = 6


@pytest.fixture
def skipped(project: Project, labeler: User) -> PromptGroup:
    group = ready_group(project)
    Skip.objects.create(group=group, labeler=labeler, reason="unclear")
    return group


def test_admins_see_who_skipped_what_and_why(
    as_: As, skipped: PromptGroup, admin: User, labeler: User
) -> None:
    html = as_(admin).get(path("skips", skipped.project)).content.decode()
    assert "How do I boil an egg?" in html
    assert "The question is unclear" in html
    assert labeler.username in html


def test_groups_that_nobody_is_left_to_rank_come_first(
    as_: As, skipped: PromptGroup, admin: User
) -> None:
    project = skipped.project
    newer = ready_group(project, "Why is the sky blue?")
    other = member(project, "other")
    Skip.objects.create(group=newer, labeler=other, reason="unsure")
    Skip.objects.create(group=skipped, labeler=other, reason="broken")
    html = as_(admin).get(path("skips", project)).content.decode()
    assert html.index("No labeler is left") < html.index("boil an egg?")
    assert html.index("boil an egg?") < html.index("Others may still") < html.index("sky blue?")


def test_an_admin_withdraws_a_group_and_puts_it_back(
    as_: As, skipped: PromptGroup, admin: User
) -> None:
    browser, page = as_(admin), path("skips", skipped.project)
    sent = {"group": skipped.pk, "to": "nobody"}
    assert "is withdrawn" in browser.post(page, sent, follow=True).content.decode()
    skipped.refresh_from_db()
    assert skipped.status == "withdrawn"
    assert "boil an egg?" not in browser.get(page).content.decode()
    assert "boil an egg?" in browser.get(f"{page}?state=withdrawn").content.decode()
    sent = {"group": skipped.pk, "to": "queue"}
    browser.post(f"{page}?state=withdrawn", sent)
    skipped.refresh_from_db()
    assert skipped.status == "ready"


def test_only_admins_withdraw(as_: As, skipped: PromptGroup, labeler: User, stranger: User) -> None:
    sent = {"group": skipped.pk, "to": "nobody"}
    assert as_(labeler).post(path("skips", skipped.project), sent).status_code == 403
    assert as_(stranger).post(path("skips", skipped.project), sent).status_code == 404
    skipped.refresh_from_db()
    assert skipped.status == "ready"


def test_a_group_of_another_project_is_not_found(
    as_: As, skipped: PromptGroup, admin: User
) -> None:
    elsewhere = Project.objects.create(name="Other", slug="other")
    PromptGroup.objects.filter(pk=skipped.pk).update(project=elsewhere)
    sent = {"group": skipped.pk, "to": "nobody"}
    assert as_(admin).post(reverse("skips", args=["kitchen"]), sent).status_code == 404


def test_the_page_costs_the_same_however_much_was_skipped(
    as_: As,
    project: Project,
    admin: User,
    labeler: User,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(4):
        group = ready_group(project, f"Question {number}?")
        people = [labeler] if number % 2 else [labeler, member(project, f"other-{number}")]
        for person in people:
            Skip.objects.create(group=group, labeler=person, reason="other")
    browser = as_(admin)
    with django_assert_num_queries(QUERIES):
        browser.get(path("skips", project))
