"""Taking a ranking back, changing it, and judging twice from two windows."""

import uuid

from annotation.models import Project, Ranking, User
from tests.pages.conftest import As
from tests.pages.desk import AS_SCRIPT, opened, path, rank_two, submit, undone
from tests.people import ready_group


def test_the_last_submit_is_undone_with_what_was_said(
    as_: As, project: Project, labeler: User
) -> None:
    ready_group(project)
    browser = as_(labeler)
    submit(browser, project, labeler, comment="hasty")
    html = undone(browser, project)
    assert "Undone. Your ranking is open again." in html
    assert "hasty" in html
    assert html.count(" selected") == 3
    assert not Ranking.objects.filter(is_current=True).exists()


def test_nothing_else_is_offered_to_be_undone_right_after_an_undo(
    as_: As, project: Project, labeler: User
) -> None:
    browser, hint = as_(labeler), 'data-of="ranking">'
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
    submit(browser, project, labeler)
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
    submit(browser, project, labeler)
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
