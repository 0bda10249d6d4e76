"""Skipping, flagging, drafts, undo and revisions as pages offer them."""

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from annotation.models import Draft, Flag, Place, Project, Ranking, User
from annotation.services.places import take_place
from tests.pages.conftest import As
from tests.people import member, ready_group

SUBMIT_QUERIES = 15
MINE_QUERIES = 8
AHEAD_QUERIES = 10
AS_SCRIPT = {"Accept": "application/json"}


def path(name: str, project: Project, *more: Any) -> str:
    return reverse(name, args=[project.slug, *more])


def opened(browser: Client, project: Project, labeler: User) -> dict[str, Any]:
    """Opens the desk; the fields of a complete submit."""
    browser.get(path("rank", project))
    place = Place.objects.filter(labeler=labeler, is_done=False, leased_at__isnull=False).get()
    return {"token": place.token, "rank_1": 1, "rank_2": 2, "rank_3": 3}


def rank_two(browser: Client, project: Project, labeler: User) -> None:
    for question in ("One?", "Two?"):
        ready_group(project, question)
        browser.post(path("rank", project), opened(browser, project, labeler))


def undone(browser: Client, project: Project) -> str:
    """Presses the button that undoes the newest ranking; the page that follows."""
    newest = {"ranking": Ranking.objects.filter(is_current=True).latest("id").idempotency_key}
    return browser.post(path("undo", project), newest, follow=True).content.decode()


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
    Place.objects.update(expires_at=timezone.now() + timedelta(seconds=5))
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
    Place.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    other = member(project, "second")
    take_place(project, other)
    html = browser.post(path("rank", project), data, follow=True).content.decode()
    assert "What you chose is kept and comes back if the group does." in html
    assert not Ranking.objects.exists()
    assert Draft.objects.get().content["comment"] == "too late"
    assert "too late" in browser.get(path("mine", project)).content.decode()
    Place.objects.update(labeler=None, token=None, expires_at=None, leased_at=None)
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
    assert Place.objects.filter(labeler=labeler).count() == 3


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
    assert Place.objects.filter(labeler=labeler).count() == 2
    browser.post(reverse("logout"))
    assert Place.objects.filter(labeler=labeler).count() == 1


def test_the_last_submit_is_undone_with_what_was_said(
    as_: As, project: Project, labeler: User
) -> None:
    ready_group(project)
    browser = as_(labeler)
    data = {**opened(browser, project, labeler), "comment": "hasty"}
    browser.post(path("rank", project), data)
    html = undone(browser, project)
    assert "Undone. Your ranking is open again." in html
    assert "hasty" in html
    assert html.count(" selected") == 3
    assert not Ranking.objects.filter(is_current=True).exists()


def test_nothing_else_is_offered_to_be_undone_right_after_an_undo(
    as_: As, project: Project, labeler: User
) -> None:
    browser, hint = as_(labeler), 'class="note success undo">'
    rank_two(browser, project, labeler)
    assert hint in browser.get(path("rank", project)).content.decode()
    assert hint not in undone(browser, project)
    assert hint in browser.get(path("rank", project)).content.decode()


def test_a_button_pressed_twice_undoes_one_ranking(
    as_: As, project: Project, labeler: User
) -> None:
    browser = as_(labeler)
    rank_two(browser, project, labeler)
    pressed = {"ranking": Ranking.objects.latest("id").idempotency_key}
    for _press in range(2):
        html = browser.post(path("undo", project), pressed, follow=True).content.decode()
        assert "Undone. Your ranking is open again." in html
    assert Ranking.objects.filter(is_current=True).count() == 1


def test_a_ranking_that_is_not_the_newest_is_not_undone(
    as_: As, project: Project, labeler: User
) -> None:
    browser = as_(labeler)
    rank_two(browser, project, labeler)
    stale = {"ranking": Ranking.objects.earliest("id").idempotency_key}
    html = browser.post(path("undo", project), stale, follow=True).content.decode()
    assert "nothing to undo" in html
    assert Ranking.objects.filter(is_current=True).count() == 2


def test_a_change_sent_twice_is_stored_once(as_: As, project: Project, labeler: User) -> None:
    ready_group(project)
    browser = as_(labeler)
    browser.post(path("rank", project), opened(browser, project, labeler))
    address = path("revise", project, Ranking.objects.get().pk)
    changed = {"token": uuid.uuid4(), "rank_1": 3, "rank_2": 2, "rank_3": 1}
    for _sending in range(2):
        html = browser.post(address, changed, follow=True).content.decode()
        assert "Stored as a new revision" in html
    assert Ranking.objects.count() == 2


def test_an_undone_change_says_that_the_ranking_before_it_holds(
    as_: As, project: Project, labeler: User
) -> None:
    ready_group(project)
    browser = as_(labeler)
    browser.post(path("rank", project), opened(browser, project, labeler))
    key = "6b0f8f0e-58f4-4f8c-9f0a-3a2a0b6d6a11"
    data = {"token": key, "rank_1": 3, "rank_2": 2, "rank_3": 1}
    browser.post(path("revise", project, Ranking.objects.get().pk), data)
    html = undone(browser, project)
    assert "Your ranking holds again as it was before the change." in html
    assert "open again" not in html


def test_another_judgment_from_another_window_is_refused_in_words(
    as_: As, project: Project, labeler: User
) -> None:
    ready_group(project)
    browser = as_(labeler)
    first = opened(browser, project, labeler)
    browser.post(path("rank", project), first, follow=True)
    second = {**first, "rank_1": 3, "rank_3": 1}
    refused = browser.post(path("rank", project), second, headers=AS_SCRIPT)
    assert refused.status_code == 409
    assert "You have judged this group already, in another window." in refused.json()["problem"]
    html = browser.post(path("rank", project), second, follow=True).content.decode()
    assert "You have judged this group already" in html
    assert "Stored, thank you." not in html
    assert browser.post(path("draft", project), second).json() == {
        "kept": False,
        "seconds_left": None,
    }


def test_a_submit_after_the_group_was_given_back_in_another_window_says_so(
    as_: As, project: Project, labeler: User
) -> None:
    ready_group(project)
    browser = as_(labeler)
    data = {**opened(browser, project, labeler), "comment": "from the other window"}
    browser.post(path("give_back", project), {"token": data["token"]})
    refused = browser.post(path("rank", project), data, headers=AS_SCRIPT).json()
    assert "you gave it back" in refused["problem"]
    assert "comes back if the group does" in refused["problem"]
    mine = browser.get(path("mine", project)).content.decode()
    assert "their time ran out, you gave them back" in mine
    assert "from the other window" in mine


def test_undoing_nothing_says_so(as_: As, project: Project, labeler: User) -> None:
    html = as_(labeler).post(path("undo", project), follow=True).content.decode()
    assert "nothing to undo" in html


def test_own_rankings_are_listed_and_changed(as_: As, project: Project, labeler: User) -> None:
    ready_group(project)
    browser = as_(labeler)
    browser.post(path("rank", project), opened(browser, project, labeler))
    ranking = Ranking.objects.get()
    listed = browser.get(path("mine", project)).content.decode()
    assert path("revise", project, ranking.pk) in listed
    page = browser.get(path("revise", project, ranking.pk)).content.decode()
    assert page.count(" selected") == 3
    key = "6b0f8f0e-58f4-4f8c-9f0a-3a2a0b6d6a11"
    data = {"token": key, "rank_1": 3, "rank_2": 2, "rank_3": 1, "comment": "Changed."}
    assert browser.post(path("revise", project, ranking.pk), data).status_code == 302
    newest = Ranking.objects.get(is_current=True)
    assert (newest.revision, newest.comment) == (2, "Changed.")
    assert [newest.ranks[position] for position in newest.shown_order] == [3, 2, 1]


def test_own_rankings_are_listed_with_what_was_decided(
    as_: As, project: Project, labeler: User
) -> None:
    browser = as_(labeler)
    for ranks, more in (((2, 1, 2), {}), ((1, 1, 2), {"none_acceptable": "on"}), ((3, 1, 2), {})):
        ready_group(project, f"{ranks}?")
        said = {f"rank_{index}": rank for index, rank in enumerate(ranks, start=1)}
        browser.post(path("rank", project), {**opened(browser, project, labeler), **said, **more})
    html = browser.get(path("mine", project)).content.decode()
    assert html.index("B &gt; C &gt; A") < html.index("A = B &gt; C") < html.index("B &gt; A = C")
    assert html.count("none is acceptable") == 1
    Project.objects.update(mode=Project.Mode.THUMBS)
    html = browser.get(path("mine", project)).content.decode()
    assert "A bad, B good, C bad" in html
    assert "A bad, B bad, C bad" in html
    assert "B &gt; C &gt; A" in html  # a ranking from before
    chinese = browser.get(path("mine", project), headers={"accept-language": "zh-CN"})
    assert "A 差，B 好，C 差" in chinese.content.decode()


def test_the_list_of_own_rankings_costs_the_same_however_long(
    as_: As, project: Project, labeler: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    browser = as_(labeler)
    for count in range(3):
        ready_group(project, f"{count}?")
        browser.post(path("rank", project), opened(browser, project, labeler))
    with django_assert_num_queries(MINE_QUERIES):
        browser.get(path("mine", project))


def test_nobody_sees_the_rankings_of_others(as_: As, project: Project, labeler: User) -> None:
    ready_group(project)
    browser = as_(labeler)
    browser.post(path("rank", project), opened(browser, project, labeler))
    other = as_(member(project, "second"))
    assert other.get(path("revise", project, Ranking.objects.get().pk)).status_code == 404
    assert "egg" not in other.get(path("mine", project)).content.decode()


@pytest.fixture
def asking(project: Project) -> Project:
    """A project that asks for everything there is."""
    project.asks_quality = True
    project.answer_flags, project.prompt_marks = ["hallucination", "opinion"], ["sensitive"]
    project.save()
    ready_group(project)
    return project


def test_ratings_and_marks_are_stored_with_the_ranking(
    as_: As, asking: Project, labeler: User
) -> None:
    browser = as_(labeler)
    data = opened(browser, asking, labeler)
    said = {
        **data,
        **{"quality_1": 7, "quality_2": 4, "quality_3": 2},
        **{"flags_2": ["hallucination", "opinion"], "marks": ["sensitive"]},
        "highlights_1": json.dumps(
            [{"start": 0, "end": 6, "label": "well_put", "quote": "Answer"}]
        ),
        "none_acceptable": "on",
    }
    assert browser.post(path("rank", asking), said).status_code == 302
    ranking = Ranking.objects.get()
    rated = {r.answer.position: r for r in ranking.ratings.select_related("answer")}
    first, second, _third = (rated[position] for position in ranking.shown_order)
    assert (first.quality, second.quality) == (7, 4)
    assert first.highlights[0]["quote"] == "Answer"
    assert second.flags == ["hallucination", "opinion"]
    assert ranking.marks == ["sensitive"]
    assert ranking.none_acceptable
    assert ranking.triples.get(answer=first.answer).score == 1


@pytest.mark.parametrize(
    "change",
    [
        {"quality_1": ""},
        {"quality_1": 8},
        {"flags_1": ["sexual"]},
        {"marks": ["ambiguous"]},
        {"highlights_1": "{}"},
        {"highlights_1": '[{"start": 4, "end": 2, "label": "error", "quote": ""}]'},
        {"highlights_1": '[{"start": 1, "end": 2, "label": "<b>", "quote": ""}]'},
        {"highlights_1": "not json"},
    ],
    ids=str,
)
def test_what_the_project_does_not_ask_is_refused(
    as_: As, asking: Project, labeler: User, change: dict[str, Any]
) -> None:
    browser = as_(labeler)
    good = {"quality_1": 7, "quality_2": 4, "quality_3": 2}
    data = {**opened(browser, asking, labeler), **good, **change}
    assert browser.post(path("rank", asking), data).status_code == 409
    assert not Ranking.objects.exists()


def test_good_or_bad_is_a_ranking_with_two_tied_places(
    as_: As, project: Project, labeler: User
) -> None:
    project.mode = Project.Mode.THUMBS
    project.save()
    ready_group(project, "One?")
    ready_group(project, "Two?")
    browser = as_(labeler)
    good_and_bad = {"rank_1": 2, "rank_2": 1, "rank_3": 2}
    browser.post(path("rank", project), {**opened(browser, project, labeler), **good_and_bad})
    ranking = Ranking.objects.get()
    assert [ranking.ranks[position] for position in ranking.shown_order] == [2, 1, 2]
    all_bad = {"rank_1": 2, "rank_2": 2, "rank_3": 2}
    browser.post(path("rank", project), {**opened(browser, project, labeler), **all_bad})
    newest = Ranking.objects.latest("id")
    assert newest.ranks == [1, 1, 1]
    assert newest.none_acceptable
    for html in (
        browser.get(path("revise", project, newest.pk)).content.decode(),
        undone(browser, project),
    ):
        assert html.count('value="2" required checked') == 3
        assert 'value="1" required checked' not in html


def test_what_no_database_can_hold_is_left_out(as_: As, asking: Project, labeler: User) -> None:
    browser = as_(labeler)
    mark = '[{"start": 1, "end": 3, "label": "error", "quote": "half \\ud83d, nul \\u0000"}]'
    good = {"quality_1": 7, "quality_2": 4, "quality_3": 2, "highlights_1": mark}
    data = {**opened(browser, asking, labeler), **good, "comment": "a\r\nb", "better": "c\0d"}
    assert browser.post(path("draft", asking), data).json()["kept"]
    assert browser.post(path("rank", asking), data).status_code == 302
    ranking = Ranking.objects.get()
    assert ranking.comment == "a\nb"
    assert ranking.demonstrations.get().text == "cd"
    [rating] = ranking.ratings.exclude(highlights=[])
    assert rating.highlights[0]["quote"] == "half ?, nul "
    assert browser.get(path("revise", asking, ranking.pk)).status_code == 200


def test_admins_choose_what_the_desk_asks(as_: As, project: Project, admin: User) -> None:
    asked = {
        **{"mode": "thumbs", "asks_quality": "on", "demonstrations_wanted": 2},
        **{"answer_flags": ["sexual"], "prompt_marks": []},
    }
    assert as_(admin).post(path("desk_settings", project), asked).status_code == 302
    project.refresh_from_db()
    assert (project.mode, project.asks_quality) == ("thumbs", True)
    assert project.answer_flags == ["sexual"]


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
