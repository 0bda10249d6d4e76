"""A file with a bad row is looked at, mended, added, ranked and undone, in a real browser."""

import json
from pathlib import Path

from playwright.sync_api import Page, expect

from annotation.models import Project, User
from annotation.services.uploads import receive_upload, work_on_upload
from tests.browser.conftest import Visit
from tests.browser.test_accessible import STILL, in_both_themes_and_languages, serious

ROWS = [
    {"prompt": f"What is {n} times two?", "chosen": f"{2 * n}", "rejected": "I do not know."}
    for n in range(9)
]


def file_of(folder: Path, rows: list[dict[str, str]]) -> Path:
    path = folder / "pairs.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def look_at(window: Page, project: Project, file: Path) -> None:
    window.goto(f"/projects/{project.slug}/imports/")
    window.get_by_label("File").set_input_files(file)
    window.get_by_role("button", name="Look at it").click()
    expect(window.get_by_role("heading", name="What was recognised")).to_be_visible()


def say_where_it_is_from(window: Page) -> None:
    window.get_by_label("Where it is from").fill("https://example.org")
    window.get_by_label("Licence", exact=True).fill("MIT")
    window.get_by_label("Those who wrote and judged it agreed").check()


def test_a_file_is_mended_added_and_undone(
    visit: Visit, transactional_db: None, project: Project, owner: User, tmp_path: Path
) -> None:
    window = visit(owner)
    broken = [*ROWS[:6], {**ROWS[6], "rejected": "12"}, *ROWS[7:]]
    look_at(window, project, file_of(tmp_path, broken))
    bad = window.locator("#problems tbody tr")
    expect(bad).to_have_count(1)
    expect(bad).to_contain_text("7")
    expect(bad).to_contain_text("the answers are the same text")
    window.get_by_role("button", name="Cancel").click()
    expect(window.get_by_text("The import is cancelled; nothing was added.")).to_be_visible()
    look_at(window, project, file_of(tmp_path, ROWS))
    expect(window.locator("#problems")).to_have_count(0)
    say_where_it_is_from(window)
    window.get_by_role("button", name="Add it to the project").click()
    expect(window.get_by_text("9 new groups or written answers")).to_be_visible()
    assert project.groups.count() == 9
    window.get_by_role("button", name="Undo the import").click()
    expect(window.locator("#state").get_by_text("undone", exact=True)).to_be_visible()
    assert not project.groups.exists()


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
