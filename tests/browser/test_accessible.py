"""axe-core finds nothing serious on any page of a labeler, in both themes and languages."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page

from annotation.models import AnswerFlag, Project, PromptMark, Ranking, User
from annotation.services.places import take_place
from annotation.services.rankings import submit_ranking
from tests.browser.conftest import Visit
from tests.people import ready_group

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
TEXT = (
    "Use `eggs`:\n\n```python\nprint('egg')  # soft\n```\n\n| time | egg |\n|---|---|\n| 6 | soft |"
)


@pytest.fixture
def desk(transactional_db: None, project: Project, labeler: User) -> Project:
    """Ranked once, asking for everything, with work left."""
    project.asks_quality, project.demonstrations_wanted = True, 1
    project.answer_flags, project.prompt_marks = AnswerFlag.values, PromptMark.values
    project.guidelines = "# Be kind\n\n- and brief"
    project.save()
    ready_group(project)
    place = take_place(project, labeler)
    assert place is not None
    assert place.token is not None
    submit_ranking(labeler, place.token, {0: 1, 1: 2, 2: 2}, "Fine.")
    ready_group(project, "天为什么是蓝的？").answers.update(text=TEXT)
    return project


def serious(window: Page) -> list[tuple[str, str]]:
    options: dict[str, Any] = {"runOnly": {"type": "tag", "values": TAGS}}
    response = Axe().run(window, options=options).response
    assert response["passes"]
    return [
        (one["id"], node["html"][:200])
        for one in response["violations"]
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_labelers_pages(
    visit: Visit, desk: Project, labeler: User, scheme: str, language: str
) -> None:
    window = visit(labeler, color_scheme=scheme, locale=language)
    home = f"/projects/{desk.slug}/"
    pages = ["/", f"{home}mine/", f"{home}write/", f"{home}mine/{Ranking.objects.get().pk}/"]
    for page in pages:
        window.goto(page)
        assert serious(window) == [], page
    window.goto(f"{home}rank/")
    assert serious(window) == [], "untouched"
    for key in ("1", "Space", "2", "t", "3"):
        window.keyboard.press(key)
    for details in window.locator("details").all():
        details.evaluate("one => { one.open = true; }")
    assert serious(window) == [], "at work"
    window.locator("#help-button").click()
    assert serious(window) == [], "keys"
    desk.mode = Project.Mode.THUMBS
    desk.save()
    window.goto(f"{home}rank/")
    window.keyboard.press("+")
    assert serious(window) == [], "good or bad"
    window.set_viewport_size({"width": 390, "height": 844})
    assert serious(window) == [], "phone"
    desk.groups.all().delete()
    window.goto(f"{home}rank/")
    assert serious(window) == [], "no work"
    window.context.clear_cookies()
    window.goto("/login/")
    assert serious(window) == [], "login"
