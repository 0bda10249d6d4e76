"""A desk comes in a fraction of a second, whatever its texts are."""

import pytest

from annotation.models import Project, User
from tests.markdown.reading import TEN_MEGABYTES, assert_quick, repeated, text_of, turns
from tests.pages.conftest import As
from tests.pages.desk import path
from tests.people import ready_group

A_PAGE = 1.0  # seconds, of ten texts that are the worst there are


@pytest.mark.parametrize("text", ["- a\n", "`a", "a|b\n---|---\n", "```mcschema\n/*"], ids=repr)
def test_a_desk_of_hostile_texts_comes_at_once(
    as_: As, project: Project, labeler: User, text: str
) -> None:
    project.answers_per_group = 9
    project.save()
    group = ready_group(project)
    for answer in group.answers.all():
        answer.text = repeated(text) + str(answer.position)
        answer.save()
    browser = as_(labeler)
    assert_quick(lambda: browser.get(path("rank", project)), A_PAGE)


def test_a_desk_of_endless_texts_comes_at_once_and_complete(
    as_: As, project: Project, labeler: User
) -> None:
    group = ready_group(project)
    text = repeated("An egg. **Salt.**\n\n", TEN_MEGABYTES // 2)
    group.answers.update(text=text)
    group.prompt.messages = [{"role": "user", "content": "Why? " * (TEN_MEGABYTES // 5)}]
    group.prompt.save()
    browser = as_(labeler)
    html = browser.get(path("rank", project)).content.decode()
    assert_quick(lambda: browser.get(path("rank", project)), A_PAGE)
    assert text_of(html).count(text) == 3


def test_an_endless_conversation_comes_at_once_and_complete(
    as_: As, project: Project, labeler: User
) -> None:
    group = ready_group(project)
    group.prompt.messages = turns(100_001, "Egg")
    group.prompt.save()
    browser = as_(labeler)
    assert_quick(lambda: browser.get(path("rank", project)), A_PAGE)
    text = text_of(browser.get(path("rank", project)).content.decode())
    assert all(f"Egg {number}." in text for number in (0, 50_000, 99_999, 100_000))
