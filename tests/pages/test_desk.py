"""Skipping, flagging, drafts, and the group after this one, as pages offer them."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from annotation.models import Assignment, Draft, Flag, Project, Ranking, Skip, User
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
    assert 'data-of="skip">' in html
    assert "Skipped: you will not get this group again." in html
    assert "Two?" in html
    assert first.skips.get().reason == "unclear"


PANELS = {"skip": "Choose why you skip it, then skip.", "flag": "Write what is wrong"}
HIDDEN = 'role="alert" hidden>'


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_that_is_sent_half_filled_in_stays_open_says_so_and_loses_nothing(
    as_: As, project: Project, labeler: User, panel: str
) -> None:
    ready_group(project)
    browser = as_(labeler)
    data = {**opened(browser, project, labeler), "comment": "half done"}
    html = browser.get(path("rank", project)).content.decode()
    assert f'id="{panel}">' in html
    assert html.count(HIDDEN) == 2
    response = browser.post(path(panel, project), data, follow=True)
    assert response.redirect_chain[0][0].endswith(f"#{panel}")
    html = response.content.decode()
    assert f'id="{panel}" open>' in html
    assert f'role="alert">{PANELS[panel]}' in html
    assert html.count(HIDDEN) == 1
    assert "half done" in html
    assert not Skip.objects.exists()


def test_a_half_filled_in_panel_speaks_chinese(as_: As, project: Project, labeler: User) -> None:
    ready_group(project)
    chinese = {"accept-language": "zh-CN"}
    address = f"{path('rank', project)}?open=skip"
    html = as_(labeler).get(address, headers=chinese).content.decode()
    assert 'role="alert">请选择跳过的原因，再跳过。' in html


def skip_first(browser: Client, project: Project, labeler: User) -> dict[str, int]:
    """Skips a group with something said; what the button that undoes it sends."""
    data = {**opened(browser, project, labeler), "comment": "half done", "reason": "unclear"}
    browser.post(path("skip", project), data)
    return {"skip": Skip.objects.latest("id").pk}


def test_a_skip_is_undone_and_its_group_comes_back_with_what_was_said(
    as_: As, project: Project, labeler: User
) -> None:
    ready_group(project, "One?")
    ready_group(project, "Two?")
    browser = as_(labeler)
    undo = skip_first(browser, project, labeler)
    html = browser.get(f"{path('rank', project)}?skipped={undo['skip']}").content.decode()
    assert f'name="skip" value="{undo["skip"]}"' in html
    for _press in range(2):
        html = browser.post(path("undo", project), undo, follow=True).content.decode()
        assert "The group that you skipped is yours again." in html
        assert "One?" in html
        assert "half done" in html
    assert not Skip.objects.exists()
    chinese = browser.post(
        path("undo", project), undo, follow=True, headers={"accept-language": "zh-CN"}
    )
    assert "您跳过的那一组又交给您了。" in chinese.content.decode()


def test_who_has_no_more_work_can_undo_a_skip_too(as_: As, project: Project, labeler: User) -> None:
    ready_group(project)
    browser = as_(labeler)
    undo = skip_first(browser, project, labeler)
    html = browser.get(f"{path('rank', project)}?skipped={undo['skip']}").content.decode()
    assert "Nothing to rank at the moment" in html
    assert 'data-of="skip">' in html


def test_a_skip_whose_group_went_to_somebody_else_is_undone_in_words(
    as_: As, project: Project, labeler: User
) -> None:
    ready_group(project)
    browser = as_(labeler)
    undo = skip_first(browser, project, labeler)
    take_assignment(project, member(project, "second"))
    html = browser.post(path("undo", project), undo, follow=True).content.decode()
    assert "Undone, but the group is taken by now" in html
    assert not Skip.objects.exists()


def test_nobody_undoes_the_skip_of_another(as_: As, project: Project, labeler: User) -> None:
    ready_group(project)
    undo = skip_first(as_(labeler), project, labeler)
    other = as_(member(project, "second"))
    other.post(path("undo", project), undo)
    assert Skip.objects.count() == 1
    html = other.get(f"{path('rank', project)}?skipped={undo['skip']}").content.decode()
    assert 'data-of="skip"' not in html


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
    assert 'role="alert">Write what is wrong' in html.content.decode()
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
