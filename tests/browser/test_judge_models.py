"""A judge model on a comparison's page, with a real worker: begun, followed, cancelled, gone on."""

import pytest
from playwright.sync_api import expect

from annotation.models import Comparison, PolicyVersion, Project, User
from annotation.services.comparisons import start_comparison
from annotation.services.generation import call_worker
from rewardmodel.models import Judging
from rewardmodel.services.judging import call_judge
from tests.browser.conftest import Visit
from tests.browser.test_accessible import STILL, serious
from tests.people import ask, champion

JUDGED_WITHIN = 90_000  # milliseconds, the worker's own start included


@pytest.fixture
def met(inside: Project) -> Comparison:
    """Both versions are to answer two of four held-out prompts."""
    inside.max_new_tokens = 8
    inside.save()
    ask(inside, *(f"Question {number}?" for number in range(4)))
    inside.prompts.update(split="heldout")
    newer = PolicyVersion.objects.get(project=inside, number=1)
    return start_comparison(inside, champion(inside), newer, prompts=2)


def test_an_admin_has_the_reward_model_judge_and_sees_it_end(
    visit: Visit, met: Comparison, admin: User
) -> None:
    window = visit(admin, **STILL)
    window.goto(f"/projects/{met.project.slug}/comparisons/{met.pk}/")
    window.get_by_label("Pairs more, at most").fill("2")
    window.get_by_role("button", name="Begin").click()
    expect(window.get_by_text("0 of 4 pairs judged")).to_be_visible()
    window.locator("#cancel-judging").click()
    expect(window.get_by_text("What it judged stays")).to_be_visible()
    window.get_by_role("button", name="Go on").click()
    cancel = window.locator(f"#cancel-comparison-{met.pk}")
    cancel.focus()
    for _look in range(JUDGED_WITHIN // 500):
        judging = Judging.objects.get()
        if judging.status != Judging.Status.RUNNING:
            break
        call_worker(met.project_id)  # as beat does
        call_judge(judging)
        window.wait_for_timeout(500)
    expect(window.get_by_text("done", exact=True)).to_be_visible()
    expect(window.get_by_role("row", name="the judge model 4")).to_be_visible()
    expect(cancel).to_be_focused()  # what was shown anew took it from nobody
    expect(window.get_by_role("button", name="Begin")).to_be_visible()
    assert serious(window) == []
