"""The playground in a real browser with a real worker: written, stopped, compared, kept."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from annotation.models import Demonstration, Project, PromptGroup, User
from tests.browser.conftest import Visit
from tests.browser.test_accessible import (
    STILL,
    assert_good_when_wide_and_on_a_phone,
    in_both_themes_and_languages,
    serious,
)
from tests.worker import Worker

LOADED_WITHIN = 90_000  # milliseconds, the worker's own start included
ENDED = re.compile("ended by itself|cut at the longest length")


@pytest.fixture
def playground(inside: Project) -> Project:
    """Its answers are short."""
    inside.max_new_tokens = 40
    inside.save()
    return inside


def opened(visit: Visit, project: Project, admin: User, **settings: Any) -> Page:
    window = visit(admin, **settings)
    window.goto(f"/projects/{project.slug}/playground/")
    return window


def answers(window: Page) -> Locator:
    """Those to the newest question."""
    return window.locator(".exchange").last.locator(".answer-written")


def say(window: Page, text: str) -> None:
    window.locator("#said").fill(text)
    window.locator("#said").press("Enter")


def ended(window: Page) -> None:
    for answer in answers(window).all():
        expect(answer.locator(".facts")).to_contain_text(ENDED, timeout=LOADED_WITHIN)


def act(window: Page, name: str) -> Locator:
    return window.locator(".exchange").last.locator(f"[data-act={name}]")


def test_a_conversation_goes_on_with_what_was_said(
    visit: Visit, playground: Project, admin: User
) -> None:
    window = opened(visit, playground, admin)
    sent: list[str] = []
    window.on("request", lambda request: sent.append(request.post_data or ""))
    said = window.locator("#said")
    said.press_sequentially("Hi")
    said.press("Shift+Enter")
    said.press_sequentially("there")
    expect(window.locator(".exchange")).to_have_count(0)
    said.press("Enter")
    ended(window)
    expect(window.locator(".exchange .said")).to_have_text("Hi\nthere")
    expect(said).to_be_focused()
    say(window, "Why?")
    expect(window.locator(".exchange")).to_have_count(2)
    ended(window)
    assert "role%22%3A%22assistant" in sent[-1]
    expect(window.locator(".exchange").first.locator("[data-act=again]")).to_be_hidden()


def test_the_finished_answer_is_read_out_once_and_no_token_before(
    visit: Visit, playground: Project, admin: User
) -> None:
    window = opened(visit, playground, admin)
    window.evaluate(
        """() => {
            window.heard = [];
            const region = document.getElementById("announce");
            new MutationObserver(() => region.textContent && window.heard.push(region.textContent))
                .observe(region, { childList: true });
        }"""
    )
    window.locator("#max_new_tokens").fill("400")
    say(window, "Hi")
    ended(window)
    window.wait_for_timeout(300)
    [heard] = window.evaluate("window.heard")
    assert heard.startswith("Base model")
    live = window.locator(".exchange [aria-live], .answer-written [role=status]")
    expect(live).to_have_count(0)


def test_a_stop_stops_and_one_can_go_on(visit: Visit, playground: Project, admin: User) -> None:
    window = opened(visit, playground, admin)
    expect(window.locator("#stop")).to_be_disabled()
    window.locator("#max_new_tokens").fill("200")
    window.locator("#temperature").fill("0.5")
    facts = answers(window).locator(".facts")
    for seed in range(1, 9):  # one whose answer is long enough to be stopped
        window.locator("#seed").fill(str(seed))
        say(window, "Hi")
        expect(facts).to_contain_text(re.compile(r"tokens: [1-9]"), timeout=LOADED_WITHIN)
        window.keyboard.press("Escape")
        expect(facts).not_to_contain_text("is writing")
        if "stopped" in facts.inner_text():
            break
        window.locator("#anew").click()
    so_far = answers(window).locator(".prose").inner_text()
    tokens = facts.inner_text()
    window.wait_for_timeout(1000)
    assert facts.inner_text() == tokens
    expect(act(window, "group")).to_be_hidden()
    answers(window).locator("[data-act=resume]").click()
    ended(window)
    assert answers(window).locator(".prose").inner_text().startswith(so_far[:5])


def test_two_versions_stand_side_by_side_until_one_wants_to_know(
    visit: Visit, playground: Project, admin: User
) -> None:
    window = opened(visit, playground, admin)
    window.locator("#version-2").select_option("1")
    say(window, "Hi")
    expect(answers(window).locator(".name")).to_have_text(["Answer A", "Answer B"])
    ended(window)
    act(window, "score").click()
    expect(answers(window).locator(".score").last).to_contain_text(re.compile(r"reward .?\d"))
    act(window, "reveal").click()
    expect(answers(window).locator(".name").first).to_have_text(re.compile("^A · .+"))
    names = answers(window).locator(".name").all_inner_texts()
    assert sorted(name[4:] for name in names) == ["Base model · serves", "Policy 1"]
    act(window, "group").click()
    expect(window.locator(".kept")).to_contain_text("People rank these answers now.")
    group = PromptGroup.objects.get(asked_by=admin)
    stored = [answer.policy.number for answer in group.answers.select_related("policy")]  # type: ignore[union-attr]
    assert stored == [0 if "Base model" in name else 1 for name in names]
    window.locator(".kept a").click()
    expect(window.locator("h1")).to_have_text(f"Group {group.pk}")


def test_the_best_of_several_answers_is_gone_on_with(
    visit: Visit, playground: Project, admin: User
) -> None:
    window = opened(visit, playground, admin)
    window.locator("#answers").select_option("3")
    window.locator("#scores").check()
    say(window, "Hi")
    ended(window)
    best = answers(window).filter(has=window.locator(".best:visible"))
    expect(best).to_have_count(1, timeout=30_000)
    expect(best.locator("[type=radio]")).to_be_checked()
    rewards = [
        float(text.removeprefix("reward ").replace("−", "-"))
        for text in answers(window).locator(".score").all_inner_texts()
    ]
    assert float(best.locator(".score").inner_text().split()[-1].replace("−", "-")) == max(rewards)
    seeds = re.findall(r"seed (\d+)", " ".join(answers(window).locator(".facts").all_inner_texts()))
    assert seeds == ["1", "2", "3"]
    act(window, "again").click()
    ended(window)
    expect(answers(window).locator(".facts").first).to_contain_text("seed 4")


def test_an_answer_is_mended_and_kept_with_its_prompt(
    visit: Visit, playground: Project, admin: User
) -> None:
    window = opened(visit, playground, admin)
    say(window, "Hi")
    ended(window)
    act(window, "prompt").click()
    expect(window.locator(".kept")).to_contain_text("The prompt is added.")
    answers(window).locator(".mend summary").click()
    text = answers(window).locator(".mend textarea")
    expect(text).not_to_have_value("")
    text.fill("Good morning.")
    act(window, "demonstration").click()
    expect(window.locator(".kept")).to_contain_text("The demonstration is stored.")
    assert Demonstration.objects.get().text == "Good morning."


def test_a_problem_is_said_and_the_page_goes_on(
    visit: Visit, playground: Project, admin: User
) -> None:
    playground.policyversions.create(number=2, base_model="/nowhere/model")
    window = opened(visit, playground, admin, expecting="409")
    window.locator("#version-1").select_option("2")
    say(window, "Hi")
    expect(window.locator("#state")).to_contain_text("/nowhere/model", timeout=LOADED_WITHIN)
    window.locator("#version-1").select_option("0")
    say(window, "Hi")
    ended(window)
    expect(window.locator("#state")).to_be_hidden()


def test_a_worker_that_is_killed_and_comes_back_goes_on_with_the_answer(
    visit: Visit, playground: Project, admin: User, worker: Worker
) -> None:
    window = opened(visit, playground, admin)
    window.locator("#max_new_tokens").fill("200")
    say(window, "Hi")
    facts = answers(window).locator(".facts")
    expect(facts).to_contain_text(re.compile(r"tokens: [1-9]"), timeout=LOADED_WITHIN)
    worker.kill()
    worker.start()
    ended(window)


@in_both_themes_and_languages
def test_axe_finds_nothing_serious(
    visit: Visit, playground: Project, admin: User, scheme: str, language: str
) -> None:
    window = opened(visit, playground, admin, color_scheme=scheme, locale=language, **STILL)
    assert serious(window) == [], "empty"
    window.locator("#version-2").select_option("1")
    say(window, "Hi")
    expect(act(window, "group")).to_be_visible(timeout=LOADED_WITHIN)
    act(window, "score").click()
    expect(answers(window).locator(".best:visible")).to_have_count(1, timeout=30_000)
    act(window, "prompt").click()
    expect(window.locator(".kept")).to_be_visible()
    assert_good_when_wide_and_on_a_phone(window)
