"""A training from its button to the version that it made, in a browser, with a real worker."""

import pytest
from playwright.sync_api import expect

from annotation.models import Project, User
from rewardmodel.models import TrainingRun
from tests.browser.conftest import Visit
from tests.people import serving_reward_model
from tests.rewardmodel.conftest import learnable, taught  # noqa: F401
from tests.rewardmodel.runs import went_on
from tests.worker import Worker, wait_for

pytestmark = pytest.mark.django_db(transaction=True)
ENDS_WITHIN = 180_000  # milliseconds


def test_a_run_is_started_watched_cancelled_gone_on_with_and_its_version_served_and_rolled_back(
    visit: Visit,
    worker: Worker,
    learnable: Project,  # noqa: F811
    owner: User,
) -> None:
    learnable.reward_settings |= {"minimum_steps": 300}  # so many that it is cancelled in between
    learnable.save()
    serving_reward_model(learnable, number=0, status="retired")
    window = visit(owner)
    window.goto(f"/projects/{learnable.slug}/")
    window.get_by_role("button", name="Train reward model now").click()
    window.locator("#running").click()
    run = TrainingRun.objects.get()
    state = window.locator(".facts .badge")
    expect(state).to_have_text("running", timeout=60_000)
    wait_for(lambda: any((run.folder / "checkpoints").glob("step-*")), 120)

    window.get_by_role("button", name="Cancel", exact=True).click()
    expect(window.get_by_text("The run is being cancelled")).to_be_visible()
    window.goto(f"/projects/{learnable.slug}/runs/{run.pk}/")
    window.get_by_role("button", name="Go on").click(timeout=30_000)
    made = window.get_by_role("link", name="reward model 1")
    expect(made).to_be_visible(timeout=ENDS_WITHIN)
    assert went_on(run)

    made.click()
    for number in (1, 0):
        card = window.locator(f"#reward-{number}")
        expect(card).to_be_visible()
        if card.get_by_role("button", name="Serve this version").count():
            card.get_by_role("button", name="Serve this version").click()
        expect(card.locator("h3 .badge.good")).to_have_text("serves")
    expect(window.get_by_text("rolled back").first).to_be_attached()
