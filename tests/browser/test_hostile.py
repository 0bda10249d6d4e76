"""Answers and prompts are hostile: nothing in them runs, reaches out or takes over the page."""

import pytest
from playwright.sync_api import Page, Request, expect

from annotation.models import Project, User
from tests.browser.conftest import Visit
from tests.browser.payloads import PAYLOADS
from tests.people import ready_group


@pytest.fixture
def hostile(transactional_db: None, project: Project) -> Project:
    """Each payload stands in the prompt and in an answer, all of them in six groups."""
    project.answers_per_group, project.queue_target = 9, 20
    project.demonstrations_wanted = 1
    project.guidelines = "\n\n".join(PAYLOADS)
    project.save()
    for start in range(0, len(PAYLOADS), 9):
        group = ready_group(project, f"{start}: " + "\n\n".join(PAYLOADS[start : start + 9]))
        for answer in group.answers.all():
            answer.text = PAYLOADS[(start + answer.position) % len(PAYLOADS)]
            answer.save()
    return project


FORBIDDEN = (
    ".prose :is(script, style, img, svg, iframe, object, embed, link, form, input, button, video,"
    " audio, meta, base, template), .prose [style], .prose [id], .prose [name]"
)


def assert_tame(window: Page) -> None:
    expect(window.locator(FORBIDDEN)).to_have_count(0)
    handlers = window.locator(".prose *").evaluate_all(
        "all => all.flatMap(one => [...one.attributes]).map(one => one.name)"
        ".filter(name => name.startsWith('on') || name.startsWith('hx-') || name === 'ping')"
    )
    assert handlers == []
    schemes = window.locator(".prose a").evaluate_all("all => all.map(one => one.protocol)")
    assert set(schemes) <= {"http:", "https:", "mailto:"}


def test_no_payload_runs_reaches_out_or_takes_over(
    visit: Visit, hostile: Project, labeler: User
) -> None:
    assert len(PAYLOADS) >= 40
    window = visit(labeler)
    window.goto("/")
    own, elsewhere = window.url.split("/")[2], []

    def note(request: Request) -> None:
        if request.url.split("/")[2] != own:
            elsewhere.append(request.url)

    window.on("request", note)
    window.goto(f"/projects/{hostile.slug}/rank/")
    questions = set()
    for number in range(1, hostile.groups.count() + 1):
        expect(window.locator("#guidelines")).to_have_attribute("open", "")
        assert_tame(window)
        questions.add(window.locator(".prompt .turn").inner_text())
        window.locator("#better_source").evaluate(
            "select => { select.closest('details').open = true; }"
        )
        window.locator("#better_source").select_option("1")
        window.locator("#better").fill("")
        window.locator("#better_source").select_option("")
        for digit in "123456789":
            window.keyboard.press("Escape")
            window.locator(f".chip[data-answer='{digit}']").click()
            window.locator(".target.gap").last.click()
        window.get_by_role("button", name="Submit", exact=True).click()
        expect(window.locator("#today, h1").first).to_be_visible()
        if number < hostile.groups.count():
            expect(window.locator("#today")).to_have_text(str(number))
        else:
            expect(window.get_by_text("Nothing to rank")).to_be_visible()
            window.goto(f"/projects/{hostile.slug}/rank/")
    assert len(questions) == hostile.groups.count()  # each was looked at
    for page in ("mine", "write"):
        window.goto(f"/projects/{hostile.slug}/{page}/")
        assert_tame(window)
    assert elsewhere == []
