"""The way through a project: what an admin wants to do, and only what a labeler can use."""

import re

import pytest

from annotation.models import Project, User
from tests.pages.conftest import As
from tests.pages.desk import path
from tests.people import ready_group

OF_LABELERS = ("rank", "mine", "write")
OF_DATA = ("prompts", "groups", "triples", "flags", "skips")
PAGES = (*OF_LABELERS, *OF_DATA, "project", "versions", "people", "project_settings")
CHINESE = {"accept-language": "zh-CN"}


def navigation(html: str) -> str:
    found = re.search(r'<nav class="project-nav".*?</nav>', html, re.S)
    assert found is not None
    return found[0]


def links(html: str) -> dict[str, str]:
    """Where each link of the navigation leads, by its words."""
    found = re.findall(r'<a href="([^"]*)"[^>]*>([^<]*)</a>', navigation(html))
    return {words: address for address, words in found}


def current(html: str) -> list[str]:
    return re.findall(r'aria-current="(?:page|true)">([^<]*)<', navigation(html))


@pytest.mark.parametrize("name", PAGES)
def test_every_page_shows_its_project_and_leads_to_the_others(
    as_: As, project: Project, owner: User, name: str
) -> None:
    html = as_(owner).get(path(name, project)).content.decode()
    assert "<b>Kitchen</b>" in navigation(html)
    assert links(html)["Projects"] == "/"
    assert set(links(html)) >= {"Labeling", "Overview", "Data", "Model", "People", "Settings"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        *(
            (name, ["Data", words])
            for name, words in zip(
                OF_DATA,
                (
                    "Prompts",
                    "Groups",
                    "Scores",
                    "Flags",
                    "Flags",
                ),
                strict=True,
            )
        ),
        *(("rank", ["Labeling", "Rank answers"]), ("mine", ["Labeling", "My rankings"])),
        *(("write", ["Labeling", "Write answers"]), ("project", ["Overview"])),
        *(
            ("versions", ["Model", "Versions"]),
            ("runs", ["Model", "Runs"]),
            ("comparisons", ["Model", "Comparisons"]),
            ("word_chain", ["Model", "Word chain"]),
            ("people", ["People"]),
            ("project_settings", ["Settings"]),
        ),
    ],
)
def test_it_says_where_one_is(
    as_: As, project: Project, owner: User, name: str, words: list[str]
) -> None:
    assert current(as_(owner).get(path(name, project)).content.decode()) == words


@pytest.mark.parametrize("name", OF_LABELERS)
def test_labelers_see_only_what_they_can_use(
    as_: As, project: Project, labeler: User, name: str
) -> None:
    ready_group(project)
    browser = as_(labeler)
    seen = links(browser.get(path(name, project)).content.decode())
    assert set(seen) - {"Write answers"} == {"Projects", "Rank answers", "My rankings"}
    for address in seen.values():
        assert browser.get(address).status_code == 200


def test_writing_is_there_where_answers_are_wanted(
    as_: As, project: Project, labeler: User
) -> None:
    browser = as_(labeler)
    assert "Write answers" not in links(browser.get(path("rank", project)).content.decode())
    Project.objects.update(demonstrations_wanted=1, mode="thumbs")
    seen = links(browser.get(path("rank", project)).content.decode())
    assert "Write answers" in seen
    assert "Judge answers" in seen


def test_a_superuser_who_is_no_member_sees_all_of_it(as_: As, project: Project) -> None:
    root = User.objects.create_superuser("root")
    assert "Settings" in links(as_(root).get(path("rank", project)).content.decode())


def test_it_is_there_in_chinese(as_: As, project: Project, owner: User, labeler: User) -> None:
    seen = links(as_(owner).get(path("triples", project), headers=CHINESE).content.decode())
    groups = {"标注", "概览", "数据", "模型", "成员", "设置"}
    data = {"提示词", "导入", "回答组", "评分", "导出", "反馈"}
    assert set(seen) == {"项目", *groups, *data}
    seen = links(as_(labeler).get(path("mine", project), headers=CHINESE).content.decode())
    assert set(seen) == {"项目", "排列回答", "我的排序"}


def test_no_page_has_a_name_that_only_its_makers_know(
    as_: As, project: Project, owner: User
) -> None:
    browser = as_(owner)
    for name in PAGES:
        html = browser.get(path(name, project)).content.decode()
        for words in (">The loop<", ">The desk<", ">Triples<", "The loop as it stands"):
            assert words not in html
