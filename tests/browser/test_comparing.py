"""A blind comparison in a browser with a real worker: begun, cancelled, gone on with, judged."""

import pytest
from playwright.sync_api import expect

from annotation.models import Comparison, Project, PromptGroup, User
from annotation.services.generation import call_worker
from tests.browser.conftest import Visit
from tests.browser.desk import desk, press
from tests.browser.test_accessible import STILL, serious
from tests.people import ask
from tests.worker import wait_for

ANSWERED_WITHIN = 120  # seconds, the worker's own start included


@pytest.fixture
def held_out(inside: Project) -> Project:
    """Two versions, and two held-out prompts that nobody was asked yet."""
    inside.max_new_tokens = 8
    inside.save()
    ask(inside, "How do I boil an egg?", "Why is the sky blue?")
    inside.prompts.update(split="heldout")
    return inside


def test_a_comparison_is_started_cancelled_gone_on_with_and_watched_until_people_have_judged(
    visit: Visit, held_out: Project, admin: User, labeler: User
) -> None:
    window = visit(admin, **STILL)
    window.goto(f"/projects/{held_out.slug}/comparisons/")
    window.get_by_label("Against").select_option(index=0)
    window.get_by_label("Held-out prompts, at most").fill("2")
    window.get_by_role("button", name="Compare").click()
    expect(window.get_by_text("The comparison has begun")).to_be_visible()
    comparison = Comparison.objects.get()

    window.get_by_role("button", name="Cancel").click()
    expect(window.get_by_text("What was judged stays")).to_be_visible()
    badge = window.locator("h2 .badge")
    expect(badge).to_have_text("cancelled")
    assert serious(window) == []
    window.get_by_role("button", name="Go on").press("Enter")
    expect(badge).to_have_text("running")
    expect(window.get_by_text("2 pairs are still to be judged")).to_be_visible()

    def is_answered() -> bool:
        call_worker(held_out.pk)  # as beat does
        return comparison.groups.filter(status=PromptGroup.Status.READY).count() == 2

    wait_for(is_answered, ANSWERED_WITHIN)
    person = visit(labeler)
    person.goto(desk(held_out))
    press(person, "ArrowLeft")
    wait_for(lambda: comparison.groups.filter(rankings__is_current=True).count() == 1, 10)
    window.reload()
    expect(window.get_by_text("1 pair is still to be judged")).to_be_visible()
    expect(window.get_by_text("neither on 0 prompts")).to_be_visible()
