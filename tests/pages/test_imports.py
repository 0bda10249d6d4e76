"""The pages of an import: what was found is shown before anything is added."""

import io
import json
import re
import zipfile
from errno import ENOSPC, ENOTDIR
from html import unescape
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext

from annotation.exchange.reading.archives import NOT_EXTRACTED
from annotation.exchange.reading.datasets import Part
from annotation.exchange.reading.mapping import Mapping
from annotation.exchange.wording import Unreadable, reason_of
from annotation.models import Project, PromptUpload, User
from annotation.services import uploads
from annotation.services.uploads import work_on_upload
from tests.pages.conftest import As

PAIRS = [
    {"prompt": f"Is {n} even?", "chosen": "Yes.", "rejected": "No.", "extra": n} for n in range(3)
]
SAID = {"source": "https://example.org", "licence": "MIT", "has_consent": "on"}
POSTS = ["import_columns", "import_add", "import_cancel", "import_undo"]


def sent(browser: Client, project: Project, content: bytes, name: str = "pairs.jsonl") -> Any:
    file = SimpleUploadedFile(name, content)
    return browser.post(reverse("imports", args=[project.slug]), {"file": file}, follow=True)


def jsonl(*rows: object) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def post(browser: Client, project: Project, name: str, **data: str) -> Any:
    upload = PromptUpload.objects.latest("pk")
    answer = browser.post(reverse(name, args=[project.slug, upload.pk]), data, follow=True)
    while work_on_upload(upload.pk):
        pass
    return answer


def test_a_file_is_shown_before_it_is_added(as_: As, project: Project, admin: User) -> None:
    html = sent(as_(admin), project, jsonl(*PAIRS)).content.decode()
    assert "preference pairs (TRL, OpenRLHF)" in html
    assert "the better answer" in html
    assert "<code>extra</code>" in html
    assert "Dropped, because" in html
    assert "Is 0 even?" in html
    assert "A &gt; B" in html
    assert not project.prompts.exists()


def test_an_admin_adds_it_and_undoes_it(as_: As, project: Project, admin: User) -> None:
    browser = as_(admin)
    sent(browser, project, jsonl(*PAIRS))
    post(browser, project, "import_add", **SAID)
    assert project.groups.count() == 3
    group = project.groups.earliest("id")
    html = browser.get(reverse("group", args=[project.slug, group.pk])).content.decode()
    assert "Answered elsewhere" in html
    assert browser.get(reverse("groups", args=[project.slug])).status_code == 200
    assert browser.get(reverse("triples", args=[project.slug])).status_code == 200
    post(browser, project, "import_undo")
    assert not project.groups.exists()


def test_where_it_is_from_is_asked_before_it_is_added(
    as_: As, project: Project, admin: User
) -> None:
    browser = as_(admin)
    sent(browser, project, jsonl(*PAIRS))
    html = post(browser, project, "import_add").content.decode()
    assert html.count("This field is required.") == 3
    assert not project.groups.exists()


def test_bad_rows_are_listed_with_their_reasons(as_: As, project: Project, admin: User) -> None:
    browser = as_(admin)
    bad = {"prompt": "Bad?", "chosen": "Same.", "rejected": "Same."}
    html = sent(browser, project, jsonl(*PAIRS, bad)).content.decode()
    assert '<td class="number">4</td>' in html
    assert "the answers are the same text" in html
    html = post(browser, project, "import_add", **SAID).content.decode()
    assert "mend the file, or leave them out" in html
    assert not project.groups.exists()
    post(browser, project, "import_add", **SAID, leaves_out="on")
    assert project.groups.count() == 3


def test_an_unknown_shape_is_asked_for_with_a_guess(as_: As, project: Project, admin: User) -> None:
    browser = as_(admin)
    rows = "question,answer_a,answer_b,winner,rater\nWhy?,So.,Because.,answer_b,Ann\n"
    html = sent(browser, project, rows.encode(), "data.csv").content.decode()
    assert "What do the columns mean?" in html
    guess = dict(PromptUpload.objects.get().report["guess"])
    assert list(guess.values()) == ["prompt", "answer", "answer", "winner", "labeler"]
    meanings = {f"column{n}": its for n, its in enumerate(guess.values())}
    html = post(browser, project, "import_columns", **meanings, first_row="named").content.decode()
    assert "Ann: B &gt; A" in html


COUNTED = b"question,answer_a,answer_b,winner\nWhy?,So.,Because.,1\nWho?,I.,You.,0\n"
MEANT = {f"column{n}": its for n, its in enumerate(("prompt", "answer", "answer", "winner"))}


def chosen(html: str) -> list[str]:
    """What stands in the choice of the first answer's number."""
    field = html.split('name="counts_from"')[1].split("</select>")[0]
    return re.findall(r"<option value=\"(.?)\" selected", field)


def test_from_which_number_answers_are_counted_is_a_guess_that_can_be_changed(
    as_: As, project: Project, admin: User
) -> None:
    browser = as_(admin)
    html = sent(browser, project, COUNTED, "data.csv").content.decode()
    assert chosen(html) == ["0"]
    assert "a guess by the first rows" in html
    said = {**MEANT, "first_row": "named"}
    html = post(browser, project, "import_columns", **said, counts_from="0").content.decode()
    assert chosen(html) == ["0"]
    assert "B &gt; A" in html
    html = post(browser, project, "import_columns", **said, counts_from="1").content.decode()
    assert chosen(html) == ["1"]
    assert "“winner” is “0”, which is none of" in html


def test_from_which_number_answers_are_counted_is_remembered_for_the_next_file(
    as_: As, project: Project, admin: User
) -> None:
    browser = as_(admin)
    sent(browser, project, COUNTED, "data.csv")
    post(browser, project, "import_columns", **MEANT, first_row="named", counts_from="1")
    again = COUNTED.replace(b"Why", b"What")
    assert chosen(sent(browser, project, again, "data.csv").content.decode()) == ["1"]


def test_a_meaning_is_saved_under_a_name_chosen_and_forgotten(
    as_: As, project: Project, admin: User
) -> None:
    browser = as_(admin)
    sent(browser, project, COUNTED, "data.csv")
    named = {**MEANT, "first_row": "named", "counts_from": "0", "save_as": "Ours"}
    post(browser, project, "import_columns", **named)
    saved = project.saved_mappings.get()
    html = sent(browser, project, COUNTED.replace(b"Why", b"What"), "data.csv").content.decode()
    assert f'<option value="{saved.pk}">Ours</option>' in html
    html = post(browser, project, "import_saved", saved=str(saved.pk)).content.decode()
    assert "Columns as you named them" in html
    html = post(browser, project, "import_saved").content.decode()
    assert "What do the columns mean?" in html
    post(browser, project, "import_saved", saved=str(saved.pk), delete="1")
    assert not project.saved_mappings.exists()


def test_a_saved_meaning_of_another_project_is_not_there(
    as_: As, project: Project, admin: User
) -> None:
    other = Project.objects.create(name="Other", slug="other")
    saved = other.saved_mappings.create(name="Theirs", mapping=Mapping().as_json())
    sent(as_(admin), project, COUNTED, "data.csv")
    html = post(as_(admin), project, "import_saved", saved=str(saved.pk)).content.decode()
    assert "What do the columns mean?" in html
    assert "Theirs" not in html


def test_from_which_number_answers_are_counted_is_asked_in_chinese(
    as_: As, project: Project, admin: User
) -> None:
    browser = as_(admin)
    browser.cookies["django_language"] = "zh-hans"
    assert "从 0 数起" in sent(browser, project, COUNTED, "data.csv").content.decode()


def test_a_mapping_without_a_question_is_refused_with_a_sentence(
    as_: As, project: Project, admin: User
) -> None:
    browser = as_(admin)
    sent(browser, project, b"a;b;c\n1;2;3\n2;3;4\n", "data.csv")
    html = post(browser, project, "import_columns", first_row="named").content.decode()
    assert "Say which column holds the question" in html


def test_lines_of_text_are_questions_unless_somebody_says_otherwise(
    as_: As, project: Project, admin: User
) -> None:
    browser = as_(admin)
    html = sent(browser, project, b"Once upon a time.\nIt was dark.\n", "a.txt").content.decode()
    assert "Each line is a question" in html
    html = post(browser, project, "import_columns", first_row="texts").content.decode()
    assert "Each line is raw text" in html
    post(browser, project, "import_add", **SAID)
    assert not project.prompts.exists()


def test_what_is_no_data_is_said(as_: As, project: Project, admin: User) -> None:
    html = sent(as_(admin), project, b"\x00\x01", "x.bin").content.decode()
    assert "null bytes" in html
    assert "Nothing was added." in html


@pytest.mark.parametrize("action", POSTS)
def test_only_admins_of_the_project_touch_an_import(
    as_: As, project: Project, owner: User, labeler: User, stranger: User, action: str
) -> None:
    sent(as_(owner), project, jsonl(*PAIRS))
    path = reverse(action, args=[project.slug, PromptUpload.objects.get().pk])
    assert as_(labeler).post(path).status_code == 403
    assert as_(stranger).post(path).status_code == 404
    assert as_(owner).get(path).status_code == 405
    other = Project.objects.create(name="Other", slug="other")
    other.memberships.create(user=owner, role="owner")
    path = reverse(action, args=["other", PromptUpload.objects.get().pk])
    assert as_(owner).post(path).status_code == 404


def test_only_admins_see_an_import(
    as_: As, project: Project, owner: User, labeler: User, stranger: User
) -> None:
    sent(as_(owner), project, jsonl(*PAIRS))
    path = reverse("import", args=[project.slug, PromptUpload.objects.get().pk])
    assert as_(labeler).get(path).status_code == 403
    assert as_(stranger).get(path).status_code == 404


def test_labelers_do_not_learn_which_model_answered(
    as_: As, project: Project, owner: User, labeler: User
) -> None:
    rows = [{"instruction": "Why?", "output": t, "generator": f"model-{t}"} for t in ("one", "two")]
    browser = as_(owner)
    sent(browser, project, jsonl(*rows))
    post(browser, project, "import_add", **SAID)
    html = as_(labeler).get(reverse("rank", args=[project.slug])).content.decode()
    assert "Why?" in html
    assert "model-" not in html
    group = project.groups.get()
    html = browser.get(reverse("group", args=[project.slug, group.pk])).content.decode()
    assert "Answered by model-one." in html


def test_a_partial_order_is_shown_as_one(as_: As, project: Project, owner: User) -> None:
    browser = as_(owner)
    row = {"prompt": "Which?", "chosen": ["a"], "rejected": ["b", "c"]}
    html = sent(browser, project, jsonl(row)).content.decode()
    assert "file: A &gt; B, A &gt; C" in html
    post(browser, project, "import_add", **SAID)
    group = project.groups.get()
    html = browser.get(reverse("group", args=[project.slug, group.pk])).content.decode()
    assert "A &gt; B, A &gt; C" in html


def test_what_is_under_way_follows_by_itself(as_: As, project: Project, owner: User) -> None:
    browser = as_(owner)
    sent(browser, project, jsonl(*PAIRS))
    upload = PromptUpload.objects.get()
    PromptUpload.objects.update(status="adding", lines=3, lines_done=1)
    path = reverse("import", args=[project.slug, upload.pk])
    html = browser.get(path, headers={"HX-Request": "true"}).content.decode()
    assert html.startswith('<section class="card" id="state" hx-get=')
    assert "1 of 3 added." in html


def zipped(**files: str | bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()


INFO = {"mine": {"file_name": "a.json", "columns": {"prompt": "q", "response": "said"}}}


def test_an_archive_is_read_by_its_dataset_info(as_: As, project: Project, admin: User) -> None:
    files = {"set__a.json": json.dumps([{"q": "Why?", "said": "So."}])}
    archive = zipped(**files, **{"set__dataset_info.json": json.dumps(INFO)})
    html = sent(as_(admin), project, archive, "set.zip").content.decode()
    assert "instructions (Alpaca)" in html
    assert PromptUpload.objects.get().name == "set.zip: a.json"


def test_each_file_in_an_archive_is_an_import(as_: As, project: Project, admin: User) -> None:
    files = {f"data__{name}.jsonl": jsonl(*PAIRS) for name in ("test", "train")}
    archive = zipped(**files, **{"README.md": "# Rows"})
    html = sent(as_(admin), project, archive, "set.zip").content.decode()
    assert "2 files were found in it:" in html
    names = project.uploads.order_by("pk").values_list("name", "status")
    assert [*names] == [(f"set.zip: data/{n}.jsonl", "waiting") for n in ("test", "train")]


def test_of_an_archive_all_files_are_kept_or_none(as_: As, project: Project, admin: User) -> None:
    columns = {"columns": {"prompt": "q", "response": "said"}}
    info = {name: {"file_name": f"{name}.jsonl", **columns} for name in ("good", "bad")}
    files: dict[str, str | bytes] = {
        "good.jsonl": jsonl({"q": "Why?", "said": "So."}),
        "bad.jsonl": '{"q": "Who?"',
    }
    folder = settings.VAR_FOLDER / "uploads"
    before = set(folder.glob("*"))
    files |= {"dataset_info.json": json.dumps(info)}
    archive = zipped(**files)
    html = sent(as_(admin), project, archive, "set.zip").content.decode()
    assert "this is no JSON from character 13 on" in unescape(html)
    assert not PromptUpload.objects.exists()
    assert set(folder.glob("*")) == before


def test_two_data_sets_of_one_file_keep_their_own_columns(
    as_: As, project: Project, admin: User
) -> None:
    columns = {"taught": {"prompt": "q", "response": "b"}, "asked": {"prompt": "q", "query": "w"}}
    info = {name: {"file_name": "a.json", "columns": each} for name, each in columns.items()}
    files = {"a.json": json.dumps([{"q": "Why?", "b": "So.", "w": "No."}])}
    sent(as_(admin), project, zipped(**files, **{"dataset_info.json": json.dumps(info)}), "s.zip")
    read = [json.loads(each.file.read_text()) for each in project.uploads.order_by("pk")]
    assert read == [
        {"instruction": "Why?", "output": "So.", "w": "No."},
        {"instruction": "Why?", "b": "So.", "input": "No."},
    ]


def test_a_column_that_dataset_info_names_comes_before_one_that_happens_to_have_the_name(
    tmp_path: Path,
) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps([{"q": "Why?", "said": "So.", "instruction": "For graders."}]))
    [line] = Part(file, {"q": "instruction", "said": "output"}).chunks()
    assert json.loads(line) == {"instruction": "Why?", "output": "So."}


@pytest.mark.parametrize(
    ("archive", "said"),
    [
        (zipped(**{"README.md": "# Nothing"}), "There is no file of rows in it"),
        (zipped(xl__workbook="x"), "an Excel workbook: save the sheet as CSV UTF-8"),
        (zipped(**{f"{n}.csv": "a" for n in range(21)}), "holds more than 20 files"),
        (zipped(**{"a.jsonl": "Why?"}).replace(b"Why?", b"Who?", 1), "cannot be unpacked (Bad CRC"),
        (zipped(**{"dataset_info.json": json.dumps(INFO)}), "names no file that is in the folder"),
        (zipped(**{"a" * 300: ""}), f"“{'a' * 100}” in the archive cannot be unpacked (File name"),
        (zipped(a="", a__b=""), "“a/b” in the archive cannot be unpacked ("),
    ],
    ids=["nothing", "Excel", "many", "damaged", "absent", "long", "file and folder"],
)
def test_an_archive_that_cannot_be_taken_is_refused_in_a_sentence(
    as_: As, project: Project, admin: User, archive: bytes, said: str
) -> None:
    html = sent(as_(admin), project, archive, "set.zip").content.decode()
    assert said in unescape(html)
    assert gettempdir() not in html
    assert not PromptUpload.objects.exists()


def test_what_is_wrong_with_a_file_is_said_in_the_language_of_the_page() -> None:
    problem = Unreadable(NOT_EXTRACTED, member="a", reason=reason_of(OSError(ENOSPC, "No space")))
    other = Unreadable(NOT_EXTRACTED, member="a", reason=reason_of(OSError(ENOTDIR, "Odd")))
    assert "(the server's disk is full)" in problem.worded()
    with translation.override("zh-hans"):
        assert "（服务器的磁盘已满）" in problem.worded(gettext)
        assert "（Odd）" in other.worded(gettext)


def test_a_large_archive_is_not_unpacked(
    as_: As, project: Project, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "LARGEST_ARCHIVE", 1 << 20)
    archive = zipped(**{"a.jsonl": jsonl({"prompt": "a" * (1 << 20)})})
    html = sent(as_(admin), project, archive, "set.zip").content.decode()
    assert "takes more than 1 MB unpacked" in html
