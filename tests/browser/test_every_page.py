"""Every page in a real browser: nothing is blocked, nothing breaks, nothing overflows."""

import pytest
from playwright.sync_api import expect

from annotation.judgment.judgment import Judgment
from annotation.models import Comparison, PolicyVersion, Project, PromptGroup, User
from annotation.services.assignments import take_assignment
from annotation.services.rankings import submit_ranking
from annotation.services.snapshots import take_named_snapshot
from annotation.services.uploads import receive_upload, work_on_upload
from rewardmodel.models import JudgedPair, Judging, TrainingRun
from rewardmodel.services import start_reward_run
from tests.browser.conftest import Visit
from tests.browser.test_accessible import STILL, in_both_themes_and_languages, serious
from tests.people import champion, ready_group

ADMIN_PAGES = (
    *("", "prompts/", "imports/", "groups/", "triples/", "exports/", "flags/", "skips/"),
    *(
        "snapshots/",
        "webhooks/",
        "versions/",
        "comparisons/",
        "runs/",
        "pretraining/",
        "playground/",
        "word-chain/",
        "people/",
        "settings/",
        "copy/",
        "rank/",
        "mine/",
    ),
)


@pytest.fixture
def lived_in(transactional_db: None, project: Project, owner: User, labeler: User) -> Project:
    """Ranked once, with a run under way."""
    owner.is_staff = True
    owner.save()
    ready_group(project)
    assignment = take_assignment(project, labeler)
    assert assignment is not None
    assert assignment.token is not None
    submit_ranking(labeler, Judgment({0: 1, 1: 2, 2: 3}), token=assignment.token)
    ready_group(project, "天为什么是蓝的？")
    rows = b'{"prompt": "Why?", "chosen": "So.", "rejected": "No.", "a_column_nobody_knows": 1}\n'
    for content in (rows * 2, b"a;b;c\n1;2;3\n", rows + b'{"prompt": 1}\n'):
        upload = receive_upload(project, owner, [content], "rows.jsonl", with_preview=True)
        work_on_upload(upload.pk)
    take_named_snapshot(project, "groups", "Before the new guidelines", owner)
    newer = PolicyVersion.objects.create(project=project, number=1, base_model="b")
    met = Comparison.objects.create(project=project, first=champion(project), second=newer)
    judging = Judging.objects.create(comparison=met, model="a-judge", more=1)
    pair = PromptGroup.objects.create(
        **{"project": project, "prompt": project.prompts.all()[0], "comparison": met},
        **{"answer_count": 2, "seed": 0, "is_for_judge": True, "status": "judged"},
    )
    JudgedPair.objects.create(judging=judging, group=pair, preference=0.5, heard=[1, -1])
    run = start_reward_run(project)
    TrainingRun.objects.filter(pk=run.pk).update(
        status="running", phase="training", step=3, total_steps=9, metrics={"loss": 0.6}
    )
    return project


def paths(project: Project) -> list[str]:
    group, run, taken = project.groups.all()[0], project.runs.all()[0], project.snapshots.all()[0]
    home = f"/projects/{project.slug}/"
    more = [
        f"{home}groups/{group.pk}/",
        f"{home}runs/{run.pk}/",
        f"{home}runs/compare/?run={run.pk}",
        f"{home}versions/policy/0/",
        f"{home}comparisons/{project.comparisons.all()[0].pk}/",
        *(f"{home}snapshots/{each.pk}/" for each in project.snapshots.all()),
        f"{home}snapshots/{taken.pk}/compare/?with={taken.pk}",
        f"{home}prompts/write/",
        f"{home}prompts/{group.prompt_id}/",
        *(f"{home}imports/{upload.pk}/" for upload in project.uploads.all()),
        "/",
        "/projects/new/",
        "/password/",
        "/tokens/",
    ]
    return [*(home + page for page in ADMIN_PAGES), *more]


@pytest.mark.parametrize(
    ("width", "scheme", "language"),
    [(1280, "light", "en-GB"), (390, "dark", "zh-CN")],
    ids=["wide, light, English", "phone, dark, Chinese"],
)
def test_no_page_breaks_overflows_or_has_anything_blocked(
    visit: Visit, lived_in: Project, owner: User, width: int, scheme: str, language: str
) -> None:
    window = visit(
        owner,
        viewport={"width": width, "height": 800},
        color_scheme=scheme,
        locale=language,
    )
    for path in paths(lived_in):
        response = window.goto(path)
        assert response is not None
        assert response.status == 200, path
        too_wide = window.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert too_wide <= 0, path
        assert window.locator("h1").count() == 1, path


@in_both_themes_and_languages
def test_axe_finds_nothing_serious_on_pages_about_runs_versions_and_comparisons(
    visit: Visit, lived_in: Project, owner: User, scheme: str, language: str
) -> None:
    window = visit(owner, color_scheme=scheme, locale=language, **STILL)
    looked_at = ("runs/", "comparisons/", "pretraining/", "versions/")
    pages = [path for path in paths(lived_in) if any(part in path for part in looked_at)]
    assert len(pages) == 8
    for page in pages:
        window.goto(page)
        for details in window.locator("details").all():
            details.evaluate("one => { one.open = true; }")
        assert serious(window) == [], page


def test_the_system_s_dark_colours_are_followed(
    visit: Visit, lived_in: Project, owner: User
) -> None:
    colours = {}
    for scheme in ("light", "dark"):
        window = visit(owner, color_scheme=scheme)
        window.goto("/")
        colours[scheme] = window.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(map(int, colours["dark"][4:-1].split(", "))) < 150
    assert sum(map(int, colours["light"][4:-1].split(", "))) > 600


def test_the_interface_changes_to_chinese_and_back(
    visit: Visit, lived_in: Project, owner: User
) -> None:
    window = visit(owner)
    window.goto(f"/projects/{lived_in.slug}/people/")
    window.get_by_role("button", name="中文").click()
    expect(window.get_by_role("heading", name="成员")).to_be_visible()
    window.get_by_role("button", name="English").click()
    expect(window.get_by_role("heading", name="People")).to_be_visible()


def test_the_loop_follows_by_itself(visit: Visit, lived_in: Project, owner: User) -> None:
    window = visit(owner)
    window.clock.install()
    window.goto(f"/projects/{lived_in.slug}/")
    expect(window.get_by_text("3 of 9")).to_be_visible()
    TrainingRun.objects.update(step=4)
    window.clock.fast_forward(3_100)
    expect(window.get_by_text("4 of 9")).to_be_visible()


def test_focus_stays_on_the_cancel_button_while_the_page_follows(
    visit: Visit, lived_in: Project, owner: User
) -> None:
    window = visit(owner)
    window.clock.install()
    window.goto(f"/projects/{lived_in.slug}/")
    window.locator("#cancel").focus()
    TrainingRun.objects.update(step=5)
    window.clock.fast_forward(3_100)
    expect(window.get_by_text("5 of 9")).to_be_visible()
    expect(window.locator("#cancel")).to_be_focused()


def test_keyboard_users_skip_to_the_content(visit: Visit, lived_in: Project, owner: User) -> None:
    window = visit(owner)
    window.goto(f"/projects/{lived_in.slug}/")
    window.keyboard.press("Tab")
    expect(window.get_by_text("Skip to the content")).to_be_focused()
    window.keyboard.press("Enter")
    expect(window.locator("#main")).to_be_focused()
