"""Runs over each other, in a real browser."""

import json

import pytest
from playwright.sync_api import Locator, Page, expect

from annotation.models import Project, User
from rewardmodel.models import TrainingRun
from rewardmodel.services import request_cancel, start_reward_run
from tests.annotation.desk import rank
from tests.browser.conftest import Visit
from tests.people import ready_group


@pytest.fixture
def trained(transactional_db: None, project: Project, labeler: User) -> Project:
    """Twice, with curves."""
    ready_group(project)
    rank(project, labeler)
    for start in (0.9, 0.7):
        run = start_reward_run(project)
        request_cancel(run)
        run.folder.mkdir(parents=True)
        lines = [
            {
                "time": step,
                "phase": "training",
                "step": step,
                "total": 10,
                "metrics": {"loss": start / step},
            }
            for step in range(1, 11)
        ]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (run.folder / "progress.jsonl").write_text(text)
    return project


def test_ticked_runs_are_drawn_over_each_other_with_a_table(
    visit: Visit, trained: Project, owner: User
) -> None:
    window = visit(owner)
    window.goto(f"/projects/{trained.slug}/runs/")
    for box in window.locator("input[name=run]").all():
        box.check()
    window.get_by_role("button", name="Compare the ticked ones").click()
    chart = window.locator(".curves figure")
    expect(chart).to_have_count(1)
    expect(chart.locator(".u-series")).to_have_count(3)  # the steps, and a line for each run
    window.locator("#smoothing").press("ArrowRight")
    expect(chart.locator(".u-series")).to_have_count(5)  # what was measured beside it
    chart.get_by_text("As a table").click()
    expect(chart.locator("details tr")).to_have_count(11)
    expect(chart.locator("details tr").nth(1)).to_have_text("10.90.7")


def test_an_opened_log_stays_open_and_at_its_end_while_the_page_follows_the_run(
    visit: Visit, trained: Project, owner: User
) -> None:
    run = start_reward_run(trained)
    run.folder.mkdir(parents=True)
    log = run.folder / "log.txt"
    log.write_text("loading\n" * 39)
    window = visit(owner)
    window.clock.install()
    window.goto(f"/projects/{trained.slug}/runs/{run.pk}/")
    window.locator("#log summary").press("Enter")
    log.write_text("loading\n" * 39 + "the newest line\n")
    TrainingRun.objects.filter(pk=run.pk).update(status="running", step=1, total_steps=9)
    window.clock.fast_forward(3_100)
    expect(window.get_by_text("1 of 9")).to_be_visible()
    window.clock.fast_forward(100)
    expect(window.locator("#log")).to_have_attribute("open", "")
    expect(window.locator("#log-lines")).to_contain_text("the newest line")
    lines = window.locator("#log-lines")
    assert lines.evaluate("log => log.scrollTop + log.clientHeight >= log.scrollHeight - 2")
    expect(window.locator("#log summary")).to_be_focused()


def point(window: Page, chart: Locator, share: float) -> None:
    """With the mouse at a share of the chart's width."""
    drawn = chart.locator(".u-over")
    drawn.scroll_into_view_if_needed()
    box = drawn.bounding_box()
    assert box is not None
    window.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)


def test_whoever_looks_closer_at_a_curve_keeps_the_steps_while_it_grows_and_is_drawn_otherwise(
    visit: Visit, trained: Project, owner: User
) -> None:
    run = trained.runs.all()[0]
    TrainingRun.objects.filter(pk=run.pk).update(status="running")
    reported = run.folder / "progress.jsonl"
    line = json.loads(reported.read_text().splitlines()[-1])
    window = visit(owner)
    window.clock.install()
    window.goto(f"/projects/{trained.slug}/runs/compare/?run={run.pk}")
    chart = window.locator(".curves figure")
    chart.get_by_text("As a table").click()
    point(window, chart, 0.3)
    window.mouse.down()
    point(window, chart, 0.6)
    window.mouse.up()

    def pointed_at() -> str:
        point(window, chart, 0.97)
        point(window, chart, 0.98)
        return chart.locator(".u-legend .u-value").first.inner_text()

    closer = pointed_at()
    assert int(closer) < 10
    with reported.open("a") as more:
        more.write(json.dumps({**line, "step": 11, "metrics": {"loss": 0.0}}) + "\n")
    window.clock.fast_forward(5_100)
    expect(chart.locator("details tr")).to_have_count(12)
    assert chart.locator(".u-legend .u-value").first.inner_text() == closer
    window.get_by_label("Logarithmic").check()
    expect(chart.get_by_text("Not logarithmic")).to_be_visible()
    inks = [chart.locator(".u-marker").nth(1).evaluate("mark => mark.style.borderColor")]
    for _ in ("dark", "light"):
        window.get_by_role("button", name="Change the appearance").click()
        inks.append(chart.locator(".u-marker").nth(1).evaluate("mark => mark.style.borderColor"))
    assert len(set(inks)) == 2
    expect(chart.locator("details tr")).to_have_count(12)
    assert pointed_at() == closer
