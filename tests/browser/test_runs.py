"""Runs over each other, in a real browser."""

import json

import pytest
from playwright.sync_api import expect

from annotation.models import Project, User
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
