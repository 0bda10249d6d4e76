"""The desk says which answer was cut at its longest length, and no more than that."""

import re

import pytest

from annotation.models import Project, PromptGroup, User
from annotation.services.assignments import take_assignment
from tests.pages.conftest import As
from tests.pages.desk import path, submit
from tests.people import ready_group


@pytest.fixture
def group(project: Project) -> PromptGroup:
    """Its second answer was cut after 64 tokens."""
    group = ready_group(project)
    group.answers.filter(position=1).update(finish_reason="length", token_count=64)
    return group


def articles(html: str) -> list[str]:
    """The answers, in the order of the page."""
    return re.findall(r'<article class="answer".*?</article>', html, re.DOTALL)


@pytest.mark.parametrize(
    ("language", "words"), [("en", "Cut off at 64 tokens"), ("zh-hans", "写到 64 个词元时被截断")]
)
def test_the_answer_that_was_cut_says_so_and_no_other_does(
    as_: As, project: Project, group: PromptGroup, labeler: User, language: str, words: str
) -> None:
    assignment = take_assignment(project, labeler)
    assert assignment is not None
    browser = as_(labeler)
    browser.cookies["django_language"] = language
    html = browser.get(path("rank", project)).content.decode()
    assert [words in article for article in articles(html)] == [
        position == 1 for position in assignment.shown_order
    ]


def test_a_screen_reader_says_it_with_the_answers_name(
    as_: As, project: Project, group: PromptGroup, labeler: User
) -> None:
    html = as_(labeler).get(path("rank", project)).content.decode()
    [cut] = [article for article in articles(html) if "Cut off" in article]
    described = re.search(r'aria-describedby="(cut-\d)"', cut)
    assert described is not None
    assert f'<p class="cut" id="{described[1]}">Cut off at 64 tokens</p>' in cut
    assert html.count('aria-describedby="cut-') == 1


def test_it_is_said_where_a_ranking_is_changed_too(
    as_: As, project: Project, group: PromptGroup, labeler: User
) -> None:
    browser = as_(labeler)
    submit(browser, project, labeler)
    ranking = group.rankings.get()
    assert (
        "Cut off at 64 tokens" in browser.get(path("revise", project, ranking.pk)).content.decode()
    )


def test_what_labelers_read_does_not_depend_on_the_policy(
    as_: As, project: Project, group: PromptGroup, labeler: User
) -> None:
    def read() -> list[str]:
        return articles(as_(labeler).get(path("rank", project)).content.decode())

    before = read()
    project.policyversions.update(number=7, base_model="secret-model-7b", path="adapter-91")
    group.answers.update(seed=918273, sampling={"temperature": 0.123})
    assert read() == before
