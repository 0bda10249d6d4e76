"""The same reader in a shell."""

import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from annotation.models import Project, PromptUpload, Ranking

SAID = {"source": "here", "licence": "MIT", "consent": True}
PAIR = {"prompt": "Why?", "chosen": "So.", "rejected": "No.", "extra": 1}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rows"
    path.write_text(f"{json.dumps(PAIR)}\n")
    return path


def run(project: Project, file: Path, **options: object) -> None:
    call_command("import", str(file), project=project.slug, **options)


def test_it_shows_what_is_in_a_file_and_leaves_nothing(
    project: Project, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(project, file)
    said = capsys.readouterr().out
    assert "JSON Lines, preference pairs (TRL, OpenRLHF)" in said
    assert "chosen: the better answer" in said
    assert "dropped: extra" in said
    assert not project.prompts.exists()
    upload = PromptUpload.objects.get()
    assert not upload.is_active
    assert not upload.file.exists()


def test_it_adds_what_it_showed(project: Project, file: Path) -> None:
    run(project, file, add=True, **SAID)
    assert project.groups.count() == 1
    assert PromptUpload.objects.get().licence == "MIT"


def test_it_wants_to_know_where_the_data_is_from(project: Project, file: Path) -> None:
    with pytest.raises(CommandError, match="--add needs --source, --licence and --consent"):
        run(project, file, add=True)


def test_bad_rows_are_left_out_on_purpose_only(project: Project, file: Path) -> None:
    with file.open("a") as lines:
        lines.write('{"prompt": 1}\n')
    with pytest.raises(CommandError, match="Some rows cannot be taken"):
        run(project, file, add=True, **SAID)
    assert not project.groups.exists()
    run(project, file, add=True, leave_out=True, **SAID)
    assert project.groups.count() == 1


def test_unknown_columns_are_named(project: Project, file: Path) -> None:
    file.write_text("q;x;y\nWhy?;So.;No.\nWho?;I.;You.\n")
    with pytest.raises(CommandError, match="Columns: q, x, y"):
        run(project, file)
    run(project, file, column=["q=prompt", "x=rejected", "y=chosen"], add=True, **SAID)
    assert {tuple(ranking.ranks) for ranking in Ranking.objects.all()} == {(1, 2)}


@pytest.mark.parametrize("content", [b"", b"\x00"])
def test_what_cannot_be_read_is_said(project: Project, file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(CommandError, match=r"empty|null bytes"):
        run(project, file)


def test_a_file_that_is_not_there_is_said(project: Project, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        run(project, tmp_path / "nothing")
