"""A file with a bad row is looked at, mended, added, undone and ranked, in a real browser."""

import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
from django.utils import translation
from django.utils.translation import gettext as worded
from playwright.sync_api import Page, expect
from pytest_django import Settings

from annotation.exchange.shapes.item import TOO_MANY_TO_RANK
from annotation.models import Project, User
from annotation.services.uploads import receive_upload, work_on_upload
from rewardmodel.services.snapshot_jobs import make_next_snapshot
from tests.browser.conftest import Visit
from tests.browser.desk import desk
from tests.browser.desk import press as press_keys
from tests.browser.test_accessible import STILL, in_both_themes_and_languages, serious
from tests.people import serving_reward_model

ROWS = [
    {
        "prompt": [{"role": "user", "content": f"What is {n} times two?"}],
        "answers": [f"{2 * n}", "I do not know.", "Ask me later."],
        "rankings": [],
    }
    for n in range(9)
]
BROKEN = [*ROWS[:6], {**ROWS[6], "answers": ["12"]}, *ROWS[7:]]
LANGUAGES = {"en-GB": "en", "zh-CN": "zh-hans"}
"""What Django calls the language of a browser."""


def file_of(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "groups.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def press(window: Page, name: str) -> None:
    window.get_by_role("button", name=worded(name), exact=True).click()


def look_at(window: Page, project: Project, file: Path) -> None:
    window.goto(f"/projects/{project.slug}/imports/")
    window.get_by_label(worded("File"), exact=True).set_input_files(file)
    press(window, "Look at it")
    expect(window.get_by_role("heading", name=worded("What was recognised"))).to_be_visible()


def add(window: Page) -> None:
    window.locator("[name=source]").fill("https://example.org")
    window.locator("[name=licence]").fill("MIT")
    window.locator("[name=has_consent]").check()
    press(window, "Add it to the project")
    expect(window.get_by_role("button", name=worded("Undo the import"))).to_be_visible()


def downloaded(window: Page, name: str) -> bytes:
    with window.expect_download() as download:
        window.get_by_role("link", name=worded(name), exact=True).click()
    return download.value.path().read_bytes()


@pytest.mark.parametrize("locale", LANGUAGES)
def test_a_file_is_mended_added_undone_added_again_ranked_and_taken_out_with_a_model(
    visit: Visit,
    transactional_db: None,
    project: Project,
    owner: User,
    tiny_reward_model: Path,
    settings: Settings,
    tmp_path: Path,
    locale: str,
) -> None:
    settings.VAR_FOLDER = tmp_path / "var"
    translation.activate(LANGUAGES[locale])
    window = visit(owner, locale=locale)
    look_at(window, project, file_of(tmp_path, BROKEN))
    problem = worded(TOO_MANY_TO_RANK).format(fewest=2, most=9, answers=1)
    assert window.locator("#problems tbody td").all_text_contents() == ["7", problem]
    press(window, "Cancel")
    expect(
        window.get_by_text(worded("The import is cancelled; nothing was added."))
    ).to_be_visible()
    look_at(window, project, file_of(tmp_path, ROWS))
    expect(window.locator("#problems")).to_have_count(0)
    add(window)
    assert project.groups.count() == 9
    press(window, "Undo the import")
    undone = window.locator("#state").get_by_text(worded("undone"), exact=True)
    expect(undone).to_be_visible()
    assert not project.groups.exists()
    look_at(window, project, file_of(tmp_path, ROWS))
    add(window)
    window.goto(desk(project))
    press_keys(window, "1", "Space", "2", "Space", "3", "Space", "Enter")
    expect(window.get_by_text(worded("Your last ranking is stored."))).to_be_visible()
    window.goto(f"/projects/{project.slug}/snapshots/")
    window.locator("#id_name").fill("Imported")
    press(window, "Take the snapshot")
    expect(window.get_by_role("region", name="Imported")).to_be_visible()
    assert make_next_snapshot()
    window.get_by_role("link", name=worded("Look at it")).click()
    [row] = map(json.loads, downloaded(window, "Download").splitlines())
    asked = {"prompt": row["prompt"], "answers": row["answers"], "rankings": []}
    assert asked in ROWS
    assert sorted(row["rankings"][0]["ranks"]) == [1, 2, 3]
    folder = shutil.copytree(tiny_reward_model, settings.VAR_FOLDER / "models" / "kitchen")
    serving_reward_model(project, path=str(folder))
    window.goto(f"/projects/{project.slug}/versions/reward/1/")
    model = downloaded(window, "Download its files")
    with tarfile.open(fileobj=io.BytesIO(model)) as archive:
        files = set(archive.getnames())
    assert {f"kitchen-reward-1/{name}" for name in ("README.md", "head.json")} < files


def test_columns_are_named_on_the_page(
    visit: Visit, transactional_db: None, project: Project, owner: User, tmp_path: Path
) -> None:
    file = tmp_path / "table.csv"
    file.write_text("Frage;Gut;Schlecht\nWarum?;Darum.;Nein.\nWer?;Ich.;Du.\n")
    window = visit(owner)
    window.goto(f"/projects/{project.slug}/imports/")
    window.get_by_label("File").set_input_files(file)
    window.get_by_role("button", name="Look at it").click()
    for column, meaning in {
        "Frage": "the question",
        "Gut": "the better answer",
        "Schlecht": "the worse answer",
    }.items():
        window.get_by_label(column).select_option(label=meaning)
    window.get_by_role("button", name="Read it so").click()
    expect(window.get_by_text("Columns as you named them")).to_be_visible()
    expect(window.get_by_text("file: A > B")).to_have_count(2)


@in_both_themes_and_languages
def test_axe_finds_nothing_serious_on_the_pages_of_an_import(
    visit: Visit,
    transactional_db: None,
    project: Project,
    owner: User,
    scheme: str,
    language: str,
) -> None:
    rows = b'{"prompt": "Why?", "chosen": "So.", "rejected": "No.", "other": 1}\n'
    contents = (rows + b'{"prompt": 1}\n', b"a;b;c\n1;2;3\n", b"")
    window = visit(owner, color_scheme=scheme, locale=language, **STILL)
    window.goto(f"/projects/{project.slug}/imports/")
    assert serious(window) == []
    for content in contents:
        upload = receive_upload(project, owner, [content], "rows.jsonl", with_preview=True)
        work_on_upload(upload.pk)
        window.goto(f"/projects/{project.slug}/imports/{upload.pk}/")
        assert serious(window) == [], upload.status
