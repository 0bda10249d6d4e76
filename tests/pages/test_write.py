"""The page on which people write answers."""

import pytest
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from annotation.judgment.judgment import BetterAnswer
from annotation.models import Project, User
from annotation.services.demonstrations import write_demonstration
from annotation.services.projects import create_project
from annotation.services.writing import take_prompt
from tests.annotation.desk import rank
from tests.pages.conftest import As
from tests.pages.desk import path
from tests.people import ask, member, ready_group

QUERIES = 13


@pytest.fixture
def asking(project: Project) -> Project:
    """Each question wants one written answer."""
    project.demonstrations_wanted = 1
    project.save()
    ready_group(project)
    return project


def test_an_answer_is_written_from_scratch(as_: As, asking: Project, labeler: User) -> None:
    browser = as_(labeler)
    assert "egg" in browser.get(path("write", asking)).content.decode()
    token = labeler.writings.get().pk
    empty = browser.post(path("write", asking), {"token": token, "text": " "})
    assert "Write an answer first." in empty.content.decode()
    sent = {"token": token, "text": "Eight minutes."}
    html = browser.post(path("write", asking), sent, follow=True).content.decode()
    assert "No answers are wanted" in html
    assert "Eight minutes." in html
    assert asking.demonstrations.get().author == labeler


def test_a_script_is_told_what_is_missing_and_where_to_go_on(
    as_: As, asking: Project, labeler: User
) -> None:
    browser, script = as_(labeler), {"Accept": "application/json"}
    browser.get(path("write", asking))
    sent = {"token": labeler.writings.get().pk, "text": ""}
    refused = browser.post(path("write", asking), sent, headers=script)
    assert refused.status_code == 409
    assert refused.json() == {"problem": "Write an answer first."}
    sent["text"] = "Eight minutes."
    stored = browser.post(path("write", asking), sent, headers=script)
    assert stored.json() == {"next": path("write", asking)}
    assert "Stored, thank you." in browser.get(path("write", asking)).content.decode()
    change = reverse("rewrite", args=[asking.slug, asking.demonstrations.get().pk])
    refused = browser.post(change, {"text": ""}, headers=script)
    assert refused.json() == {"problem": "Write an answer first."}


def test_a_draft_is_kept_and_comes_back(as_: As, asking: Project, labeler: User) -> None:
    browser = as_(labeler)
    browser.get(path("write", asking))
    sent = {"token": labeler.writings.get().pk, "text": "Eight min"}
    answer = browser.post(path("write_draft", asking), sent).json()
    assert answer["kept"] is True
    assert answer["seconds_left"] > 29 * 60
    assert "Eight min</textarea>" in browser.get(path("write", asking)).content.decode()


def test_a_window_in_which_nothing_was_written_only_renews(
    as_: As, asking: Project, labeler: User
) -> None:
    browser = as_(labeler)
    browser.get(path("write", asking))
    token = labeler.writings.get().pk
    browser.post(path("write_draft", asking), {"token": token, "text": "Eight min"})
    renewed = browser.post(path("write_draft", asking), {"token": token, "renew": 1}).json()
    assert renewed["seconds_left"] > 29 * 60
    assert labeler.writings.get().text == "Eight min"


def test_two_people_do_not_write_at_once(as_: As, asking: Project, labeler: User) -> None:
    as_(labeler).get(path("write", asking))
    other = as_(member(asking, "other"))
    assert "No answers are wanted" in other.get(path("write", asking)).content.decode()


def test_who_comes_too_late_is_told_so_and_keeps_the_text(
    as_: As, asking: Project, labeler: User
) -> None:
    browser = as_(labeler)
    browser.get(path("write", asking))
    write_demonstration(asking.prompts.get(), member(asking, "other"), "Nine minutes.")
    sent = {"token": labeler.writings.get().pk, "text": "Eight minutes."}
    assert browser.post(path("write_draft", asking), sent).json()["seconds_left"] is None
    html = browser.post(path("write", asking), sent, follow=True).content.decode()
    assert "This question has its answers meanwhile." in html
    assert "Eight minutes." in html
    assert asking.demonstrations.get().text == "Nine minutes."


def test_a_written_answer_is_changed(as_: As, asking: Project, labeler: User) -> None:
    old = write_demonstration(asking.prompts.get(), labeler, "Eight minuets.")
    browser = as_(labeler)
    change = reverse("rewrite", args=[asking.slug, old.pk])
    assert change in browser.get(path("write", asking)).content.decode()
    assert "Eight minuets.</textarea>" in browser.get(change).content.decode()
    empty = browser.post(change, {"text": " "})
    assert "Write an answer first." in empty.content.decode()
    html = browser.post(change, {"text": "Eight minutes."}, follow=True).content.decode()
    assert "Stored as a new revision; the old one is kept." in html
    assert asking.demonstrations.get(is_current=True).text == "Eight minutes."
    late = browser.post(change, {"text": "Nine minutes."})
    assert late.status_code == 409
    assert "This answer was changed meanwhile" in late.content.decode()
    assert "Nine minutes.</textarea>" in late.content.decode()


def test_an_answer_beside_a_ranking_leads_to_the_ranking(
    as_: As, asking: Project, labeler: User
) -> None:
    ranking = rank(asking, labeler, better=BetterAnswer("Salt it."))
    browser = as_(labeler)
    html = browser.get(path("write", asking)).content.decode()
    written = asking.demonstrations.get()
    assert reverse("revise", args=[asking.slug, ranking.pk]) in html
    change = reverse("rewrite", args=[asking.slug, written.pk])
    assert change not in html
    assert browser.get(change).status_code == 404


def test_a_kept_draft_is_opened_or_said_to_be_there_for_copying(
    as_: As, asking: Project, labeler: User
) -> None:
    ask(asking, "Why is the sky blue?")
    browser = as_(labeler)
    browser.get(path("write", asking))
    writing = labeler.writings.get()
    browser.post(path("write_draft", asking), {"token": writing.pk, "text": "Eight min"})
    html = browser.get(f"{path('write', asking)}?after={writing.prompt_id}").content.decode()
    go_on = f"?question={writing.prompt_id}"
    assert go_on in html
    assert "Go on with it" in html
    opened = browser.get(path("write", asking) + go_on).content.decode()
    assert "Eight min</textarea>" in opened
    browser.get(f"{path('write', asking)}?after={writing.prompt_id}")
    write_demonstration(writing.prompt, member(asking, "other"), "Nine minutes.")
    html = browser.get(path("write", asking) + go_on).content.decode()
    assert "This question has its answers meanwhile." in html
    assert "What you wrote stays here for you to copy." in html
    assert "Go on with it" not in html
    assert "Eight min</textarea>" in html


def test_every_answer_that_was_written_can_be_paged_to(
    as_: As, asking: Project, labeler: User
) -> None:
    ask(asking, *(f"Question {number}?" for number in range(11)))
    for prompt in asking.prompts.order_by("id"):
        write_demonstration(prompt, labeler, f"Answer to {prompt.pk}.")
    browser = as_(labeler)
    html = browser.get(path("write", asking)).content.decode()
    first, tenth = asking.demonstrations.order_by("id")[:3:2]
    assert first.text not in html
    older = browser.get(f"{path('write', asking)}?before={tenth.pk}").content.decode()
    assert f"before={tenth.pk}" in html
    assert first.text in older


def test_nobody_writes_in_the_name_of_another(
    as_: As, asking: Project, owner: User, labeler: User
) -> None:
    writing = take_prompt(asking, labeler)
    assert writing is not None
    sent = {"token": writing.pk, "text": "Mine."}
    other = as_(member(asking, "other"))
    assert other.post(path("write", asking), sent).status_code == 404
    assert other.post(path("write_draft", asking), sent).status_code == 404
    written = write_demonstration(writing.prompt, labeler, "Eight minutes.")
    change = reverse("rewrite", args=[asking.slug, written.pk])
    assert other.post(change, sent).status_code == 404
    elsewhere = create_project(Project(name="Other", slug="other"), owner)
    ask(elsewhere, "Not yours?")
    assert as_(labeler).post(path("write", elsewhere), sent).status_code == 404


def test_the_page_costs_the_same_however_much_was_written(
    as_: As,
    asking: Project,
    labeler: User,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    other = member(asking, "other")
    ask(asking, *(f"Question {number}?" for number in range(8)))
    for number, prompt in enumerate(asking.prompts.order_by("id")[:6]):
        write_demonstration(prompt, labeler if number % 2 else other, "Answered.")
    browser = as_(labeler)
    browser.get(path("write", asking))
    with django_assert_num_queries(QUERIES):
        browser.get(path("write", asking))
