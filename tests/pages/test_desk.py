"""Skipping, flagging, drafts, and the group after this one, as pages offer them."""

from datetime import timedelta

from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from annotation.models import Assignment, Draft, Flag, Project, Ranking, User
from annotation.services.assignments import take_assignment
from tests.pages.conftest import As
from tests.pages.desk import AS_SCRIPT, opened, path
from tests.people import member, ready_group

SUBMIT_QUERIES = 15
AHEAD_QUERIES = 10


def test_a_labeler_skips_with_a_reason_and_gets_the_next(
    as_: As, project: Project, labeler: User
) -> None:
    first = ready_group(project, "One?")
    ready_group(project, "Two?")
    browser = as_(labeler)
    data = {**opened(browser, project, labeler), "reason": "unclear"}
    html = browser.post(path("skip", project), data, follow=True).content.decode()
    assert "you will not get this group again" in html
    assert "Two?" in html
    assert first.skips.get().reason == "unclear"


def test_a_skip_without_a_reason_skips_nothing_and_loses_nothing(
    as_: As, project: Project, labeler: User
) -> None:
    ready_group(project)
    browser = as_(labeler)
    data = {**opened(browser, project, labeler), "comment": "half done"}
    html = browser.post(path("skip", project), data, follow=True).content.decode()
    assert "Choose why you skip it" in html
    assert "half done" in html


def test_a_flag_reaches_the_admins_and_the_work_goes_on(
    as_: As, project: Project, labeler: User, admin: User
) -> None:
    ready_group(project)
    browser = as_(labeler)
    data = {**opened(browser, project, labeler), "flag_text": "Whose egg?", "comment": "half done"}
    html = browser.post(path("flag", project), data, follow=True).content.decode()
    assert "The admins see it now" in html
    assert "half done" in html
    seen = as_(admin)
    assert "Whose egg?" in seen.get(path("flags", project)).content.decode()
    flag = Flag.objects.get()
    seen.post(path("flags", project), {"flag": flag.pk})
    assert "Whose egg?" not in seen.get(path("flags", project)).content.decode()
    assert "Whose egg?" in seen.get(path("flags", project) + "?state=resolved").content.decode()
    flag.refresh_from_db()
    assert flag.resolved_by == admin


def test_an_empty_flag_is_not_sent(as_: As, project: Project, labeler: User) -> None:
    ready_group(project)
    browser = as_(labeler)
    html = browser.post(path("flag", project), opened(browser, project, labeler), follow=True)
    assert "Write what is wrong" in html.content.decode()
    assert not Flag.objects.exists()


def test_a_draft_is_kept_and_renews_the_lease(as_: As, project: Project, labeler: User) -> None:
    ready_group(project)
    browser = as_(labeler)
    data = opened(browser, project, labeler)
    Assignment.objects.update(expires_at=timezone.now() + timedelta(seconds=5))
    sent = {"token": data["token"], "rank_2": 1, "comment": "so far"}
    answer = browser.post(path("draft", project), sent).json()
    assert answer["kept"] is True
    assert answer["seconds_left"] > 29 * 60
    html = browser.get(path("rank", project)).content.decode()
    assert "so far" in html
    assert html.count(" selected") == 1


def test_a_late_submit_is_refused_kindly_and_its_draft_comes_back(
    as_: As, project: Project, labeler: User
) -> None:
    ready_group(project)
    browser = as_(labeler)
    data = {**opened(browser, project, labeler), "comment": "too late"}
    Assignment.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    other = member(project, "second")
    take_assignment(project, other)
    html = browser.post(path("rank", project), data, follow=True).content.decode()
    assert "What you chose is kept and comes back if the group does." in html
    assert not Ranking.objects.exists()
    assert Draft.objects.get().content["comment"] == "too late"
    assert "too late" in browser.get(path("mine", project)).content.decode()
    Assignment.objects.update(labeler=None, token=None, expires_at=None, leased_at=None)
    assert "too late" in browser.get(path("rank", project)).content.decode()


def test_a_script_is_told_of_the_next_group_and_of_refusals_and_gets_the_one_after(
    as_: As, project: Project, labeler: User
) -> None:
    for question in ("One?", "Two?", "Three?"):
        ready_group(project, question)
    browser = as_(labeler)
    data = opened(browser, project, labeler)
    ahead = browser.get(path("ahead", project)).content.decode()
    assert "Two?" in ahead
    refused = browser.post(path("rank", project), {**data, "rank_1": ""}, headers=AS_SCRIPT)
    assert refused.status_code == 409
    assert "place" in refused.json()["problem"]
    stored = browser.post(path("rank", project), data, headers=AS_SCRIPT).json()
    assert stored["next"] in ahead
    assert "Three?" in stored["ahead"]
    again = browser.post(path("rank", project), data, headers=AS_SCRIPT).json()
    assert again["next"] == stored["next"]
    assert Assignment.objects.filter(labeler=labeler).count() == 3


def test_there_is_nothing_ahead_of_the_last_group(as_: As, project: Project, labeler: User) -> None:
    ready_group(project)
    browser = as_(labeler)
    opened(browser, project, labeler)
    assert browser.get(path("ahead", project)).status_code == 204


def test_logging_out_frees_what_was_leased_ahead(as_: As, project: Project, labeler: User) -> None:
    ready_group(project, "One?")
    ready_group(project, "Two?")
    browser = as_(labeler)
    opened(browser, project, labeler)
    browser.get(path("ahead", project))
    assert Assignment.objects.filter(labeler=labeler).count() == 2
    browser.post(reverse("logout"))
    assert Assignment.objects.filter(labeler=labeler).count() == 1


def test_a_submit_costs_the_same_whatever_waits(
    as_: As, project: Project, labeler: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for question in ("One?", "Two?", "Three?"):
        ready_group(project, question)
    browser = as_(labeler)
    data = opened(browser, project, labeler)
    with django_assert_num_queries(AHEAD_QUERIES):
        browser.get(path("ahead", project))
    with django_assert_num_queries(SUBMIT_QUERIES):
        browser.post(path("rank", project), data, headers=AS_SCRIPT)
