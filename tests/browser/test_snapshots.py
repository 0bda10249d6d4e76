"""Snapshots in a real browser."""

from playwright.sync_api import expect

from annotation.models import Project, User
from rewardmodel.services.snapshot_jobs import make_next_snapshot
from tests.annotation.desk import rank
from tests.browser.conftest import Visit
from tests.browser.test_accessible import STILL, in_both_themes_and_languages, serious
from tests.people import member, ready_group

HOME = "/projects/kitchen/snapshots/"


def test_one_is_taken_compared_with_an_older_one_and_trained_on(
    visit: Visit, project: Project, owner: User, labeler: User
) -> None:
    window = visit(owner)
    for name, question in (("First", "Why?"), ("Second", "How?")):
        ready_group(project, question)
        rank(project, labeler)
        window.goto(HOME)
        window.locator("#id_name").fill(name)
        window.get_by_role("button", name="Take the snapshot").click()
        expect(window.get_by_text("waiting")).to_be_visible()
        assert make_next_snapshot()
        asked = window.get_by_role("region", name=name)
        asked.get_by_role("link", name="Look at it").click()
        expect(window.get_by_role("heading", level=1, name=name)).to_be_visible()
    window.get_by_role("button", name="What changed").click()
    expect(window.get_by_role("listitem").filter(has_text="How?")).to_be_visible()
    window.get_by_role("link", name="Second").click()
    window.get_by_role("button", name="reward model").click()
    expect(window.get_by_text("The run is queued.")).to_be_visible()


@in_both_themes_and_languages
def test_axe_finds_nothing_serious_on_the_pages_of_snapshots(
    visit: Visit, project: Project, owner: User, labeler: User, scheme: str, language: str
) -> None:
    ready_group(project, "Why?")
    rank(project, labeler)
    window = visit(owner, color_scheme=scheme, locale=language, **STILL)
    window.goto(HOME)
    window.locator("#id_name").fill("First")
    window.locator("form .primary").first.click()
    assert make_next_snapshot()
    window.goto(HOME)
    card = f"{HOME}{project.snapshots.get().pk}/"
    ready_group(project, "How?")
    rank(project, member(project, "other"))
    window.goto(HOME)
    window.locator("#id_name").fill("Second")
    window.locator("form .primary").first.click()
    assert make_next_snapshot()
    second, first = project.snapshots.values_list("pk", flat=True)
    compared = f"{HOME}{second}/compare/?with={first}"
    for page in (HOME, card, compared):
        window.goto(page)
        for details in window.locator("details").all():
            details.evaluate("one => { one.open = true; }")
        assert serious(window) == [], page
