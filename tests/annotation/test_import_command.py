"""The same reader in a shell."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from annotation.models import Project, PromptUpload, Ranking, User
from tests.annotation.desk import rank
from tests.people import ready_group

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


def test_of_a_folder_text_is_read_but_not_what_describes_it(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.txt").write_text("Once upon a time.\nIt was dark.\n")
    (tmp_path / "README.txt").write_text("What this is.\n")
    run(project, tmp_path)
    said = capsys.readouterr().out
    assert "2 rows" in said
    assert "README" not in said


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


@pytest.mark.parametrize("adds", [{}, {"add": True, **SAID}], ids=["shown", "added"])
def test_an_archived_project_is_not_written_into(
    project: Project, file: Path, adds: dict[str, object]
) -> None:
    Project.objects.update(is_active=False, archived_at=timezone.now())
    with pytest.raises(CommandError, match="is archived: put it back first"):
        run(project, file, **adds)
    assert not PromptUpload.objects.exists()


def test_unknown_columns_are_named(project: Project, file: Path) -> None:
    file.write_text("q;x;y\nWhy?;So.;No.\nWho?;I.;You.\n")
    with pytest.raises(CommandError, match="Columns: q, x, y"):
        run(project, file)
    run(project, file, column=["q=prompt", "x=rejected", "y=chosen"], add=True, **SAID)
    assert {tuple(ranking.ranks) for ranking in Ranking.objects.all()} == {(1, 2)}


def test_from_which_number_answers_are_counted_is_said(project: Project, file: Path) -> None:
    file.write_text("q;x;y;z\nWhy?;So.;No.;0\nWho?;I.;You.;1\n")
    named = ["q=prompt", "x=answer", "y=answer", "z=winner"]
    run(project, file, column=named, counts_from=0, add=True, **SAID)
    assert [ranking.ranks for ranking in Ranking.objects.order_by("pk")] == [[1, 2], [2, 1]]


@pytest.mark.parametrize("content", [b"", b"\x00"])
def test_what_cannot_be_read_is_said(project: Project, file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(CommandError, match=r"empty|null bytes"):
        run(project, file)


def test_a_file_that_is_not_there_is_said(project: Project, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        run(project, tmp_path / "nothing")


def test_a_folder_is_imported_file_by_file_without_what_describes_it(
    project: Project, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "dataset"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "train.jsonl").write_text(f"{json.dumps(PAIR)}\n")
    (folder / "data" / "test.csv").write_text("prompt,chosen,rejected\nWho?,I.,You.\n")
    (folder / "README.md").write_text("# A card")
    (folder / "dataset_info.json").write_text(json.dumps({"features": {"prompt": {}}}))
    run(project, folder, add=True, **SAID)
    assert project.groups.count() == 2
    assert "data/test.csv:" in capsys.readouterr().out


def encrypted(archive: bytes) -> bytes:
    """Its flags say so, which is all that is looked at before a password is asked for."""
    said = bytearray(archive)
    said[6] |= 1
    said[archive.index(b"PK\x01\x02") + 8] |= 1
    return bytes(said)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("x.jsonl", lambda archive: archive.replace(b"Why?", b"Who?", 1), "Bad CRC-32"),
        ("x.jsonl", encrypted, "is encrypted"),
        ("x" * 300, lambda archive: archive, "name too long"),
    ],
)
def test_an_archive_that_cannot_be_unpacked_is_said(
    project: Project, tmp_path: Path, name: str, change: Callable[[bytes], bytes], said: str
) -> None:
    path = tmp_path / "rows.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, f"{json.dumps(PAIR)}\n")
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(CommandError, match=rf"rows.zip: .* cannot be unpacked \(.*{said}"):
        run(project, path)


def test_an_archive_larger_than_the_disk_is_not_unpacked(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "rows.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.jsonl", f"{json.dumps(PAIR)}\n")
        archive.infolist()[0].file_size = 10**16
    with pytest.raises(CommandError, match="takes 10000000000 MB unpacked, more than is free"):
        run(project, path)


def test_a_name_in_dataset_info_that_no_file_can_have_is_said(
    project: Project, described: Path
) -> None:
    info = {"a": {"file_name": "x" * 300}}
    (described / "dataset_info.json").write_text(json.dumps(info))
    with pytest.raises(CommandError, match="names no file that is in the folder"):
        run(project, described)


RENAMED = {"q": "Why?", "more": "In short.", "good": "So.", "bad": "No."}
TURNS = [{"who": "asker", "says": "Why?"}]
INFO = {
    "pairs": {
        "file_name": "pairs.json",
        "ranking": True,
        "columns": {"prompt": "q", "query": "more", "chosen": "good", "rejected": "bad"},
    },
    "turns": {
        "file_name": "turns.jsonl",
        "formatting": "sharegpt",
        "ranking": True,
        "columns": {"messages": "talk", "chosen": "good", "rejected": "bad"},
        "tags": {
            "role_tag": "who",
            "content_tag": "says",
            "user_tag": "asker",
            "assistant_tag": "bot",
        },
    },
    "elsewhere": {"hf_hub_url": "somebody/something"},
    "outside": {"file_name": "../rows"},
}


@pytest.fixture
def described(tmp_path: Path, file: Path) -> Path:
    """A folder as LLaMA-Factory has them."""
    folder = tmp_path / "llamafactory"
    folder.mkdir()
    (folder / "dataset_info.json").write_text(json.dumps(INFO))
    (folder / "pairs.json").write_text(json.dumps([RENAMED]))
    answers = {"good": {"who": "bot", "says": "So."}, "bad": {"who": "bot", "says": "No."}}
    (folder / "turns.jsonl").write_text(json.dumps({"talk": TURNS, **answers}))
    return folder


def test_dataset_info_says_what_columns_and_roles_are_called(
    project: Project, described: Path
) -> None:
    run(project, described, add=True, **SAID)
    asked = {group.prompt.messages[-1]["content"] for group in project.groups.all()}
    assert asked == {"Why?\nIn short.", "Why?"}
    assert {ranking.ranks[0] for ranking in Ranking.objects.all()} == {1}
    texts = project.groups.values_list("answers__text", flat=True)
    assert sorted(texts) == ["No.", "No.", "So.", "So."]


def test_it_is_found_beside_a_file_and_in_an_archive(
    project: Project, described: Path, tmp_path: Path
) -> None:
    run(project, described / "pairs.json", add=True, **SAID)
    assert project.groups.count() == 1
    archive = shutil.make_archive(str(tmp_path / "archive"), "zip", described)
    run(project, Path(archive), add=True, **SAID)
    assert project.groups.count() == 2


def test_what_leaves_for_llama_factory_comes_back(
    project: Project, labeler: User, tmp_path: Path
) -> None:
    ready_group(project)
    rank(project, labeler, {0: 1, 1: 2, 2: 3})
    archive = tmp_path / "llamafactory.zip"
    call_command("export", project.slug, str(archive), format="llamafactory")
    other = Project.objects.create(name="Other", slug="other")
    run(other, archive, add=True, **SAID)
    [ranking] = Ranking.objects.filter(group__project=other)
    assert ranking.ranks == [1, 2, 3]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"README.md": "# Nothing"}, "no file of rows"),
        ({"data-00000.arrow": "x", "state.json": "{}"}, "to_parquet"),
        ({"dataset_info.json": '{"a": {"file_name": "b.json"}}'}, "names no file"),
        ({"dataset_info.json": "["}, "is no object"),
    ],
)
def test_a_folder_that_holds_nothing_to_read_is_refused_in_a_sentence(
    project: Project, tmp_path: Path, files: dict[str, str], said: str
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_text(content)
    with pytest.raises(CommandError, match=said):
        run(project, folder)


def test_what_may_be_a_path_or_a_data_set_of_the_hub_is_said_to_be_neither(
    project: Project,
) -> None:
    said = "no file or folder 'tests/nothing' here, and no data set of that name can be fetched"
    with pytest.raises(CommandError, match=said):
        run(project, Path("tests/nothing"))


@pytest.mark.parametrize("path", ["../nothing", "tests/nothing.", "tests/a--b"])
def test_what_the_hub_cannot_have_is_a_file_that_is_not_there(project: Project, path: str) -> None:
    with pytest.raises(CommandError, match=f"There is no file or folder '{path}'."):
        run(project, Path(path))
