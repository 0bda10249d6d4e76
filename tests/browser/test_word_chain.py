"""A look inside, in a real browser with a real worker: stepped, played, branched, side by side."""

import csv
import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from annotation.models import Project, User
from tests.browser.conftest import Visit
from tests.browser.test_accessible import STILL, in_both_themes_and_languages, serious
from tests.worker import Worker

LOADED_WITHIN = 90_000  # milliseconds, the worker's own start included


def opened(visit: Visit, inside: Project, admin: User, **settings: Any) -> Page:
    window = visit(admin, **settings)
    window.goto(f"/projects/{inside.slug}/word-chain/")
    expect(bars(window)).to_have_count(20, timeout=LOADED_WITHIN)
    return window


def bars(window: Page, lane: int = 0) -> Locator:
    """As they are now: while others are asked for, the last ones stay, and count no more."""
    return window.locator(".lane").nth(lane).locator(".bars:not([aria-busy]) button.bar")


def written(window: Page) -> list[str]:
    """The tokens of the first version's text."""
    lane = window.locator("#common .token, .lane:first-child > .tokens .token")
    return [token.inner_text() for token in lane.locator("bdi").all()]


def steps(window: Page, count: int) -> None:
    for _ in range(count):
        before = len(written(window))
        window.locator("#step").click()
        expect(window.locator("#common .token")).to_have_count(before + 1)
        expect(bars(window)).to_have_count(20)


def at_rest(window: Page) -> None:
    expect(window.locator(".reward").first).to_be_visible()


def test_a_chain_is_stepped_taken_back_and_branched_by_keys(
    visit: Visit, inside: Project, admin: User
) -> None:
    window = opened(visit, inside, admin)
    drawn = window.locator(".bar.chosen bdi, .drawn-rest bdi")
    first = drawn.inner_text()
    window.keyboard.press("Space")
    expect(window.locator("#common .token")).to_have_count(1)
    assert written(window) == [first]
    expect(bars(window)).to_have_count(20)
    fourth = bars(window).nth(3).locator("bdi").inner_text()
    window.keyboard.press("4")
    expect(window.locator("#common .token")).to_have_count(2)
    assert written(window) == [first, fourth]
    window.keyboard.press("ArrowLeft")
    expect(window.locator("#common .token")).to_have_count(1)
    fifth = bars(window).nth(4).locator("bdi").inner_text()
    bars(window).nth(4).focus()
    window.keyboard.press("Enter")
    expect(window.locator("#common .token")).to_have_count(2)
    assert written(window) == [first, fifth]
    expect(bars(window).nth(4)).to_be_focused()
    branches = window.locator("#branches ul .branch")
    expect(branches).to_have_count(2)
    expect(branches.nth(1)).to_have_attribute("aria-current", "true")
    branches.nth(0).focus()
    window.keyboard.press("Enter")
    expect(branches.nth(0)).to_have_attribute("aria-current", "true")
    assert written(window) == [first, fourth]


def test_it_plays_to_the_end_token_and_the_teacher_model_judges(
    visit: Visit, inside: Project, admin: User
) -> None:
    window = opened(visit, inside, admin)
    window.locator("#prompt").fill("Hi")
    window.locator("#temperature").fill("0")
    window.locator("#version-1").select_option("1")
    expect(bars(window).first).to_contain_text("100")
    window.locator("#play").focus()
    window.keyboard.press("Enter")
    ended = window.get_by_text("The end token: the model says no more.")
    expect(ended).to_be_visible(timeout=30_000)
    assert len(written(window)) == 14
    assert written(window)[-1] == "<|im_end|>"
    expect(window.locator("#play")).to_have_text("Play")
    expect(window.locator(".reward")).to_contain_text(re.compile(r"[+−-]\d+\.\d\d"))


def test_playing_can_be_paused_and_settings_changed_on_the_way(
    visit: Visit, inside: Project, admin: User
) -> None:
    window = opened(visit, inside, admin)
    window.locator("h1").click()
    window.keyboard.press("p")
    expect(window.locator("#play")).to_have_text("Pause")
    expect(window.locator("#common .token").nth(2)).to_be_visible()
    window.keyboard.press("p")
    expect(window.locator("#play")).to_have_text("Play")
    expect(window.locator(".reward")).to_contain_text(re.compile(r"\d"))
    kept = written(window)
    window.locator("#top_k").fill("1")
    window.locator("#temperature").focus()
    expect(window.locator(".bar.left-out")).to_have_count(19)
    assert written(window) == kept
    drawn = window.locator(".bar.chosen bdi").inner_text()
    steps(window, 1)
    assert written(window) == [*kept, drawn]


def test_two_versions_part_and_the_page_says_where_and_how_far(
    visit: Visit, inside: Project, admin: User
) -> None:
    window = opened(visit, inside, admin)
    window.locator("#temperature").fill("0")
    window.locator("#version-2").select_option("1")
    expect(window.locator(".lane")).to_have_count(2)
    expect(window.locator(".lane").nth(1)).to_contain_text("nats here")
    expect(bars(window, 1)).to_have_count(20)
    # One token by hand is appended to both texts, which stand at the same place.
    bars(window).nth(2).click()
    expect(window.locator("#common .token")).to_have_count(1)
    expect(window.locator("#common .nats")).to_have_count(1)
    expect(window.get_by_text("All versions have written the same so far.")).to_be_visible()
    first, second = (bars(window, lane).locator("..").locator(".chosen bdi") for lane in (0, 1))
    expect(second).to_have_count(1)
    assert first.inner_text() != second.inner_text()
    window.locator("#step").click()
    expect(window.get_by_text("Here the versions part.")).to_be_visible()
    expect(window.locator(".lane > .tokens")).to_have_count(2)
    expect(window.locator(".lane").nth(1).locator(".nats")).to_have_count(1)
    window.locator("#branches ul .branch").first.click()
    expect(window.locator("#common .token")).to_have_count(2)


def test_split_characters_and_whitespace_are_shown_for_what_they_are(
    visit: Visit, inside: Project, admin: User
) -> None:
    window = opened(visit, inside, admin)
    shown = window.evaluate(
        """async () => {
            const { shown, runs } = await import("/static/js/chain/tokens.js");
            const token = (bytes) => ({ bytes, special: false, ends: false });
            const names = ["20", "0a", "e5", "e58fb0", "c2a0", "e2808b"]
                .map((bytes) => shown(token(bytes)).text);
            const [split, next] = runs(["e5", "8f", "b0", "41"].map(token));
            return [names, split.whole, split.tokens.length, next.tokens.length];
        }"""
    )
    assert shown == [["␣", "⏎", "E5", "台", "U+00A0", "U+200B"], "台", 3, 1]


def test_the_bars_stand_in_a_table_and_leave_as_csv(
    visit: Visit, inside: Project, admin: User
) -> None:
    window = opened(visit, inside, admin)
    window.locator("#version-2").select_option("1")
    expect(bars(window, 1)).to_have_count(20)
    window.get_by_text("The bars as a table").click()
    expect(window.locator("#table-body tr")).to_have_count(42)
    with window.expect_download() as download:
        window.locator("#table-csv").click()
    with download.value.path().open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 42
    for version in {row["version"] for row in rows}:
        of_version = [row for row in rows if row["version"] == version]
        assert sum(float(row["share"]) for row in of_version) == pytest.approx(1, abs=1e-4)
    window.locator("#step").click()
    expect(bars(window)).to_have_count(20)
    again = window.locator("#table-body").inner_text()
    assert again


def test_both_ways_to_write_end_in_the_same_text(
    visit: Visit, inside: Project, admin: User
) -> None:
    window = opened(visit, inside, admin)
    window.locator("#prompt").fill("Hi")
    window.locator("#version-1").select_option("1")
    window.locator("#pass").click()
    expect(window.locator(".sweep")).to_have_count(2, timeout=30_000)
    window.locator("#race").click()
    verdict = window.locator("#verdict")
    expect(verdict).to_contain_text(
        "Both wrote the same text: 14 passes one at a time", timeout=30_000
    )
    passes = re.findall(r"\d+", verdict.inner_text())
    assert int(passes[1]) <= 14
    last = window.locator(".sweep").last.locator("bdi").all_inner_texts()
    assert last == window.locator(".sweep").first.locator("bdi").all_inner_texts()


def test_a_problem_is_said_and_the_page_goes_on(visit: Visit, inside: Project, admin: User) -> None:
    inside.policyversions.create(number=2, base_model="/nowhere/model")
    window = opened(visit, inside, admin, expecting="409")
    window.locator("#version-1").select_option("2")
    expect(window.locator("#state")).to_contain_text("/nowhere/model")
    window.locator("#version-1").select_option("0")
    expect(bars(window)).to_have_count(20)
    expect(window.locator("#state")).to_be_hidden()


def test_keys_can_be_switched_off_and_do_nothing_while_one_types(
    visit: Visit, inside: Project, admin: User
) -> None:
    window = opened(visit, inside, admin)
    window.locator("#prompt").press("Space")
    window.locator("h1").click()
    expect(bars(window)).to_have_count(20)
    window.get_by_text("Keys", exact=True).click()
    window.locator("#keys-on").uncheck()
    window.locator("h1").click()
    window.keyboard.press("ArrowRight")
    window.keyboard.press("1")
    expect(window.locator("#common .token")).to_have_count(0)
    window.reload()
    expect(window.locator("#keys-on")).not_to_be_checked()


def test_a_worker_that_is_killed_and_comes_back_takes_nothing_of_the_page(
    visit: Visit, inside: Project, admin: User, worker: Worker
) -> None:
    window = opened(visit, inside, admin)
    steps(window, 2)
    kept = written(window)
    worker.kill()
    window.locator("#step").click()
    expect(window.locator("#state")).to_contain_text("worker", timeout=15_000)
    worker.start()
    expect(bars(window)).to_have_count(20, timeout=LOADED_WITHIN)
    expect(window.locator("#state")).to_be_hidden()
    assert written(window)[:2] == kept
    assert len(written(window)) == 3


@in_both_themes_and_languages
def test_axe_finds_nothing_serious(
    visit: Visit, inside: Project, admin: User, scheme: str, language: str
) -> None:
    window = opened(visit, inside, admin, color_scheme=scheme, locale=language, **STILL)
    window.locator("#version-2").select_option("1")
    expect(bars(window, 1)).to_have_count(20)
    steps(window, 1) if window.locator("#common .token").count() else window.locator(
        "#step"
    ).click()
    window.locator("#pass").click()
    expect(window.locator(".sweep")).to_have_count(2, timeout=30_000)
    for details in window.locator("details").all():
        details.evaluate("one => { one.open = true; }")
    at_rest(window)
    assert serious(window) == [], "wide"
    window.set_viewport_size({"width": 390, "height": 844})
    assert serious(window) == [], "phone"
    too_wide = window.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert too_wide <= 0
