"""What a project asks changes while somebody works: nothing is read as what it does not say."""

from typing import Any

import pytest
from django.test import Client

from annotation.models import Draft, Project, Ranking, User
from tests.pages.conftest import As
from tests.pages.desk import AS_SCRIPT, opened, path, submit, undone
from tests.people import ready_group

ORDER = {"asked": "ranking", "rank_1": 2, "rank_2": 1, "rank_3": 2, "comment": "So far."}
CHANGED = "What this project asks has changed since this page was opened"
IN_CHINESE = {"accept-language": "zh-CN"}


@pytest.fixture
def desk(project: Project) -> Project:
    ready_group(project)
    return project


def change(project: Project, **settings: Any) -> None:
    Project.objects.filter(pk=project.pk).update(**settings)


def verdicts_given(html: str) -> int:
    return html.count(" required checked")


def order_given(browser: Client, project: Project, labeler: User) -> dict[str, Any]:
    """A page on which an order was given, before the project asked for verdicts."""
    data = {**opened(browser, project, labeler), **ORDER}
    change(project, mode="thumbs")
    return data


def test_the_page_says_what_it_asks(as_: As, desk: Project, labeler: User) -> None:
    change(desk, asks_quality=True)
    html = as_(labeler).get(path("rank", desk)).content.decode()
    assert 'name="asked" data-field="asked" value="ranking quality"' in html


def test_an_order_is_not_stored_as_verdicts_and_comes_back_in_words(
    as_: As, desk: Project, labeler: User
) -> None:
    browser = as_(labeler)
    data = order_given(browser, desk, labeler)
    html = browser.post(path("rank", desk), data).content.decode()
    assert CHANGED in html
    assert "You had said: B &gt; A = C." in html
    assert "So far." in html
    assert verdicts_given(html) == 0
    assert not Ranking.objects.exists()
    html = browser.get(path("rank", desk), headers=IN_CHINESE).content.decode()
    assert "B &gt; A = C" in html
    assert "So far." in html
    assert verdicts_given(html) == 0
    data |= {"asked": "thumbs", "rank_1": 2}
    assert browser.post(path("rank", desk), data).status_code == 302
    assert Ranking.objects.get().mode == "thumbs"


def test_verdicts_are_not_read_as_an_order(as_: As, desk: Project, labeler: User) -> None:
    change(desk, mode="thumbs")
    browser = as_(labeler)
    data = {**opened(browser, desk, labeler), **ORDER, "asked": "thumbs"}
    browser.post(path("draft", desk), data)
    change(desk, mode="ranking")
    html = browser.get(path("rank", desk)).content.decode()
    assert "You had said: A bad, B good, C bad." in html
    assert html.count(" selected") == 0
    html = browser.get(path("rank", desk), headers=IN_CHINESE).content.decode()
    assert "A 差，B 好，C 差" in html


def test_a_script_is_told_while_the_labeler_works_and_when_they_submit(
    as_: As, desk: Project, labeler: User
) -> None:
    browser = as_(labeler)
    data = order_given(browser, desk, labeler)
    assert browser.post(path("draft", desk), data).json()["outdated"] is True
    refused = browser.post(path("rank", desk), data, headers=AS_SCRIPT)
    assert refused.status_code == 409
    assert CHANGED in refused.json()["problem"]
    assert refused.json()["problem"].endswith("Reload the page.")
    assert Draft.objects.get().content["comment"] == "So far."
    chinese = {**AS_SCRIPT, **IN_CHINESE}
    refused = browser.post(path("rank", desk), data, headers=chinese)
    assert "此页面打开之后，项目的要求已经改变" in refused.json()["problem"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"asks_quality": True}, {"asked": "ranking"}),
        ({"answer_flags": []}, {"asked": "ranking", "flags_1": ["opinion"]}),
        ({"prompt_marks": []}, {"asked": "ranking", "marks": ["sensitive"]}),
    ],
    ids=["a rating is asked for", "a remark is withdrawn", "a mark is withdrawn"],
)
def test_a_page_that_cannot_say_what_is_asked_is_not_blamed_for_a_field(
    as_: As, desk: Project, labeler: User, changed: dict[str, Any], said: dict[str, Any]
) -> None:
    change(desk, answer_flags=["opinion"], prompt_marks=["sensitive"])
    browser = as_(labeler)
    data = {**opened(browser, desk, labeler), **said}
    change(desk, **changed)
    problem = browser.post(path("rank", desk), data, headers=AS_SCRIPT).json()["problem"]
    assert CHANGED in problem
    assert not Ranking.objects.exists()


def test_a_rating_that_is_not_asked_for_any_more_is_stored_all_the_same(
    as_: As, desk: Project, labeler: User
) -> None:
    change(desk, asks_quality=True)
    browser = as_(labeler)
    rated = {"asked": "ranking quality", "quality_1": 7, "quality_2": 4, "quality_3": 1}
    data = {**opened(browser, desk, labeler), **rated}
    change(desk, asks_quality=False)
    assert browser.post(path("rank", desk), data).status_code == 302
    ratings = Ranking.objects.get().ratings.values_list("quality", flat=True)
    assert sorted(filter(None, ratings)) == [1, 4, 7]


def test_a_ranking_is_changed_as_the_order_that_it_is(
    as_: As, desk: Project, labeler: User
) -> None:
    browser = as_(labeler)
    submit(browser, desk, labeler)
    change(desk, mode="thumbs")
    ranking = Ranking.objects.get()
    html = browser.get(path("revise", desk, ranking.pk)).content.decode()
    assert html.count(" selected") == 3
    sent = {"token": "6b0f8f0e-58f4-4f8c-9f0a-3a2a0b6d6a11", **ORDER}
    assert browser.post(path("revise", desk, ranking.pk), sent).status_code == 302
    newest = Ranking.objects.get(is_current=True)
    assert newest.mode == "ranking"
    assert "B &gt; A = C" in browser.get(path("mine", desk)).content.decode()


def test_an_undone_order_is_not_put_before_the_labeler_as_verdicts(
    as_: As, desk: Project, labeler: User
) -> None:
    browser = as_(labeler)
    submit(browser, desk, labeler, rank_3=2)
    change(desk, mode="thumbs")
    html = undone(browser, desk)
    assert "You had said: A &gt; B = C." in html
    assert verdicts_given(html) == 0


def test_who_changes_a_ranking_is_told_what_is_kept_with_it(
    as_: As, desk: Project, labeler: User
) -> None:
    change(desk, prompt_marks=["sensitive"])
    browser = as_(labeler)
    submit(browser, desk, labeler, marks=["sensitive"])
    page = path("revise", desk, Ranking.objects.get().pk)
    told = "Quality or remarks that are not asked for any more are kept"
    assert told not in browser.get(page).content.decode()
    change(desk, prompt_marks=[])
    assert told in browser.get(page).content.decode()
    assert "不再要求的质量评分或标签" in browser.get(page, headers=IN_CHINESE).content.decode()
