"""The pages of an import: what was found is shown before anything is added."""

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from annotation.models import Project, PromptUpload, User
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
