"""axe-core finds nothing serious on any page of a labeler, in both themes and languages."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page, expect

from annotation.judgment.judgment import Judgment
from annotation.models import AnswerFlag, Project, PromptMark, Ranking, Skip, User
from annotation.services.assignments import take_assignment
from annotation.services.groups import withdraw_group
from annotation.services.rankings import submit_ranking
from tests.browser.conftest import Visit
from tests.people import ready_group

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
STILL = {"reduced_motion": "reduce"}  # no colour is looked at halfway to another
TEXT = (
    "Use `eggs`:\n\n```python\nprint('egg')  # soft\n```\n\n| time | egg |\n|---|---|\n| 6 | soft |"
)

in_both_themes_and_languages = pytest.mark.parametrize(
    ("scheme", "language"), [("light", "en-GB"), ("dark", "zh-CN")]
)


@pytest.fixture
def desk(transactional_db: None, project: Project, labeler: User) -> Project:
    """Ranked once, asking for everything, with work left."""
    project.asks_quality, project.demonstrations_wanted = True, 1
    project.answer_flags, project.prompt_marks = AnswerFlag.values, PromptMark.values
    project.guidelines = "# Be kind\n\n- and brief"
    project.save()
    ready_group(project)
    assignment = take_assignment(project, labeler)
    assert assignment is not None
    assert assignment.token is not None
    submit_ranking(labeler, Judgment({0: 1, 1: 2, 2: 2}, "Fine."), token=assignment.token)
    ready_group(project, "天为什么是蓝的？").answers.update(text=TEXT, finish_reason="length")
    return project


def serious(window: Page) -> list[tuple[str, str]]:
    window.wait_for_load_state()  # a click returns once the next page begins, still empty
    options: dict[str, Any] = {"runOnly": {"type": "tag", "values": TAGS}}
    response = Axe().run(window, options=options).response
    assert response["passes"]
    return [
        (one["id"], node["html"][:200])
        for one in response["violations"]
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]


def assert_good_when_wide_and_on_a_phone(window: Page) -> None:
    """Everything of the page unfolded."""
    for details in window.locator("details").all():
        details.evaluate("one => { one.open = true; }")
    window.set_viewport_size({"width": 1280, "height": 800})
    assert serious(window) == [], "wide"
    window.set_viewport_size({"width": 375, "height": 812})
    assert serious(window) == [], "phone"
    too_wide = window.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert too_wide <= 0


@in_both_themes_and_languages
def test_axe_finds_nothing_serious_on_labelers_pages(
    visit: Visit, desk: Project, labeler: User, scheme: str, language: str
) -> None:
    window = visit(labeler, color_scheme=scheme, locale=language, **STILL)
    home = f"/projects/{desk.slug}/"
    pages = ["/", "/password/", f"{home}mine/", f"{home}write/"]
    pages.append(f"{home}mine/{Ranking.objects.get().pk}/")
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


@pytest.fixture
def skipped(desk: Project, labeler: User) -> Project:
    """With a group that nobody is left to rank, a withdrawn one, and two answers a group."""
    desk.groups.filter(rankings__isnull=True).delete()
    desk.answers_per_group, desk.asks_quality = 2, False
    desk.answer_flags, desk.prompt_marks = [], []
    desk.save()
    for question in ("One?", "Two?", "Three?"):
        ready_group(desk, question)
    one, two, _three = desk.groups.filter(rankings__isnull=True).order_by("id")
    Skip.objects.create(group=one, labeler=labeler, reason="unclear")
    Skip.objects.create(group=two, labeler=labeler, reason="broken")
    withdraw_group(two)
    return desk


@in_both_themes_and_languages
def test_axe_finds_nothing_serious_where_two_are_compared_or_groups_were_skipped(
    visit: Visit, skipped: Project, labeler: User, admin: User, scheme: str, language: str
) -> None:
    window = visit(labeler, color_scheme=scheme, locale=language, **STILL)
    home = f"/projects/{skipped.slug}/"
    window.goto(f"{home}rank/")
    expect(window.locator("#guidelines[open]")).to_be_visible()
    assert serious(window) == [], "pair"
    window.locator("#difference-button").click()
    expect(window.locator("#difference del").first).to_be_visible()
    assert serious(window) == [], "word by word"
    window.keyboard.press("Escape")
    window.locator("#help-button").click()
    assert serious(window) == [], "keys of the pair view"
    window.keyboard.press("Escape")
    window.keyboard.press("ArrowLeft")
    expect(window.locator("#undo")).to_be_visible()
    window.set_viewport_size({"width": 390, "height": 844})
    window.goto(f"{home}write/")
    window.locator("#write textarea").fill("Eight minutes.")
    assert serious(window) == [], "write on a phone"
    office = visit(admin, color_scheme=scheme, locale=language, **STILL)
    for page in ("flags/", "skips/", "skips/?state=withdrawn", "settings/"):
        office.goto(home + page)
        assert serious(office) == [], page


def test_on_a_long_form_what_has_the_focus_is_never_under_the_bar_that_stores_it(
    visit: Visit, desk: Project, owner: User
) -> None:
    window = visit(owner, viewport={"width": 390, "height": 600})
    window.goto(f"/projects/{desk.slug}/settings/")
    window.locator("[name=name]").focus()
    names = set()
    for _step in range(100):
        window.keyboard.press("Tab")
        name, top, bar = window.evaluate(
            """[
                document.activeElement.name,
                document.activeElement.getBoundingClientRect().top,
                document.querySelector(".save-bar").getBoundingClientRect().top,
            ]"""
        )
        if name in {"", None}:
            break
        names.add(name)
        assert top <= bar - 20, name
    assert {"mode", "prompt_marks", "overlap", "policy_settings"} <= names
