"""Programs import files, and send what they are not sure of again."""

import io
import json
import zipfile
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from annotation.exchange.reading.mapping import Mapping
from annotation.models import Export, IdempotentRequest, Project, PromptUpload, User
from annotation.services.idempotency import (
    ABANDONED,
    KEPT,
    begin_request,
    delete_old_requests,
    keep_answer,
)
from annotation.services.projects import create_project
from annotation.services.uploads import work_on_upload
from tests.pages.test_api import EGG, ROOT, Api

IMPORTS = "/projects/kitchen/imports"
PAIR = b'{"prompt": "Why?", "chosen": "So.", "rejected": "No.", "of_no_use": 1}\n'
SAID = {"source": "example.org", "licence": "MIT", "has_consent": True}


def send(api: Api, content: bytes, name: str = "pairs.jsonl", **more: str) -> Any:
    file = SimpleUploadedFile(name, content)
    headers = {"authorization": f"Bearer {api.secret}", **more}
    return Client().post(ROOT + IMPORTS, {"file": file, "language": "en"}, headers=headers)


def keyed(api: Api, key: str, path: str, content: Any) -> Any:
    headers = {"authorization": f"Bearer {api.secret}", "idempotency-key": key}
    return Client().post(ROOT + path, content, content_type="application/json", headers=headers)


@pytest.mark.django_db(transaction=True)
def test_a_file_is_sent_looked_at_added_and_taken_back(project: Project, owner: User) -> None:
    api = Api(owner)
    made = send(api, PAIR)
    assert (made.status_code, made.json()["status"]) == (202, "checking")
    one = f"{IMPORTS}/{made.json()['id']}"
    work_on_upload(made.json()["id"])
    found = api.get(one).json()
    assert (found["status"], found["counts"]["rankings"]) == ("waiting", 1)
    assert found["dropped"] == ["of_no_use"]
    assert not project.prompts.exists()
    assert api.post(f"{one}/add", {**SAID, "has_consent": False}).status_code == 422
    assert api.post(f"{one}/add", SAID).json()["status"] == "adding"
    work_on_upload(made.json()["id"])
    done = api.get(one).json()
    assert (done["status"], done["added"], done["licence"]) == ("done", 1, "MIT")
    assert project.prompts.get().language == "en"
    assert api.post(f"{one}/undo", {}).json()["status"] == "undoing"
    work_on_upload(made.json()["id"])
    assert not project.prompts.exists()
    assert [each["status"] for each in api.get(IMPORTS).json()["items"]] == ["undone"]


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"data/{name}.jsonl", content)
    return buffer.getvalue()


def test_each_file_in_an_archive_is_an_import(project: Project, owner: User) -> None:
    archive = zipped(test=PAIR, train=PAIR)
    made = send(Api(owner), archive, "set.zip")
    assert made.status_code == 202
    first, [other] = made.json(), made.json()["others"]
    assert [first["name"], other["name"]] == ["set.zip: test.jsonl", "set.zip: train.jsonl"]
    assert {first["id"], other["id"]} == set(project.uploads.values_list("pk", flat=True))


@pytest.mark.parametrize(
    ("archive", "problem"),
    [
        (zipped(), "no file of rows"),
        (zipped(**{f"part{n}": PAIR for n in range(21)}), "more than 20 files"),
        (zipped(test=PAIR)[:-30] + b"PK\5\6" + bytes(18), "no file of rows"),
    ],
    ids=["empty", "many", "damaged"],
)
def test_an_archive_that_cannot_be_taken_is_a_problem_and_nothing_is_kept(
    project: Project, owner: User, archive: bytes, problem: str
) -> None:
    refused = send(Api(owner), archive, "set.zip")
    assert (refused.status_code, refused["content-type"]) == (422, "application/problem+json")
    assert problem in refused.json()["detail"]
    assert not PromptUpload.objects.exists()


def test_a_full_disk_is_a_problem(
    project: Project, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    refused = send(Api(owner), zipped(test=PAIR), "set.zip")
    assert (refused.status_code, refused.json()["title"]) == (507, "No room")


@pytest.mark.django_db(transaction=True)
def test_the_columns_of_an_unknown_shape_are_named(project: Project, owner: User) -> None:
    api = Api(owner)
    made = send(api, b'{"x": "Why?", "y": "So.", "z": "No."}\n')
    one = f"{IMPORTS}/{made.json()['id']}"
    work_on_upload(made.json()["id"])
    found = api.get(one).json()
    assert (found["status"], list(found["columns"])) == ("mapping", ["x", "y", "z"])
    assert api.post(f"{one}/columns", {"columns": {"x": "nonsense"}}).status_code == 422
    assert api.post(f"{one}/columns", {"columns": {"x": "labeler"}}).status_code == 409
    meant = {"x": "prompt", "y": "chosen", "z": "rejected"}
    assert api.post(f"{one}/columns", {"columns": meant}).status_code == 202
    work_on_upload(made.json()["id"])
    assert api.get(one).json()["counts"]["rankings"] == 1


@pytest.mark.django_db(transaction=True)
def test_a_saved_meaning_of_columns_is_listed_and_reads_another_file(
    project: Project, owner: User
) -> None:
    api = Api(owner)

    def asked(content: bytes, **said: object) -> Any:
        made = send(api, content)
        one = f"{IMPORTS}/{made.json()['id']}"
        early = api.post(f"{one}/columns", said)
        work_on_upload(made.json()["id"])
        response = api.post(f"{one}/columns", said)
        work_on_upload(made.json()["id"])
        return early.status_code, response.status_code, api.get(one).json()

    meant = {"x": "prompt", "y": "chosen", "z": "rejected"}
    asked(b'{"x": "Why?", "y": "So.", "z": "No."}\n', columns=meant, save_as="Ours")
    other = b'{"a": 1, "x": "Who?", "y": "I.", "z": "You."}\n'
    early, _, found = asked(other, mapping="Ours")
    assert (early, found["status"], found["counts"]["rankings"]) == (409, "waiting", 1)
    assert asked(b'{"b": 1}\n', mapping="Ours")[1] == 409
    assert asked(other, mapping="Theirs")[1] == 422
    assert asked(other, mapping="Ours", columns=meant)[1] == 422
    [saved] = Api(owner, "read").get("/projects/kitchen/mappings").json()["items"]
    assert (saved["name"], saved["columns"], saved["counts_from"]) == ("Ours", meant, None)


def test_saved_meanings_of_others_are_not_there(
    project: Project, owner: User, labeler: User, stranger: User
) -> None:
    garden = create_project(Project(name="Garden", slug="garden"), owner)
    garden.saved_mappings.create(name="Theirs", mapping=Mapping().as_json())
    assert Api(owner).get("/projects/kitchen/mappings").json()["items"] == []
    for user in (labeler, stranger):
        assert Api(user).get("/projects/kitchen/mappings").status_code == 404
    made = send(Api(owner), PAIR).json()["id"]
    work_on_upload(made)
    theirs = {"mapping": "Theirs"}
    assert Api(owner).post(f"{IMPORTS}/{made}/columns", theirs).status_code == 422


def test_bad_rows_are_named_and_keep_all_out_unless_left_out(project: Project, owner: User) -> None:
    api = Api(owner)
    made = send(api, PAIR * 12 + b'{"prompt": 1, "chosen": "So.", "rejected": "No."}\n')
    one = f"{IMPORTS}/{made.json()['id']}"
    work_on_upload(made.json()["id"])
    [problem] = api.get(one).json()["problems"]
    assert problem["row"] == 13
    assert api.post(f"{one}/add", SAID).status_code == 409
    assert api.post(f"{one}/add", {**SAID, "leaves_out": True}).status_code == 202


def test_files_beyond_what_a_page_takes_are_taken_here_and_nowhere_else(
    project: Project, owner: User
) -> None:
    api = Api(owner)
    assert send(api, PAIR * 20_000).status_code == 202
    assert send(api, b"x" * (33 * 1024 * 1024)).status_code == 413
    assert api.post("/projects/kitchen/groups", {**EGG, "x": "y" * 2_000_000}).status_code == 413


def test_imports_of_others_are_not_there(
    project: Project, owner: User, labeler: User, stranger: User
) -> None:
    made = send(Api(owner), PAIR).json()["id"]
    for user in (labeler, stranger):
        assert send(Api(user), PAIR).status_code == 404
        for path in ("", "/add", "/undo", "/columns"):
            address = f"{IMPORTS}/{made}{path}"
            content = {**SAID, "columns": {}}
            api = Api(user)
            response = api.post(address, content) if path else api.get(address)
            assert response.status_code == 404
    assert send(Api(owner, "read"), PAIR).status_code == 403
    assert PromptUpload.objects.count() == 1


def test_a_key_that_comes_again_is_answered_the_same_and_done_once(
    project: Project, owner: User
) -> None:
    api = Api(owner)
    first = keyed(api, "a", "/projects/kitchen/exports", {"format": "groups"})
    again = keyed(api, "a", "/projects/kitchen/exports", {"format": "groups"})
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.content == again.content
    assert again["Idempotency-Replayed"] == "true"
    assert Export.objects.count() == 1
    assert keyed(api, "b", "/projects/kitchen/exports", {"format": "groups"}).status_code == 202
    assert keyed(Api(owner), "a", "/projects/kitchen/exports", {"format": "groups"}).json() != (
        first.json()
    )


def test_a_key_with_another_request_is_refused(project: Project, owner: User) -> None:
    api = Api(owner)
    keyed(api, "a", "/projects/kitchen/exports", {"format": "groups"})
    for path, content in (
        ("/projects/kitchen/exports", {"format": "triples"}),
        ("/projects/kitchen/groups", EGG),
    ):
        refused = keyed(api, "a", path, content)
        assert refused.status_code == 422
        assert "another request" in refused.json()["detail"]


def test_a_file_that_is_sent_again_is_one_import(project: Project, owner: User) -> None:
    api = Api(owner)
    made = [send(api, PAIR, **{"idempotency-key": "a"}).json()["id"] for _ in range(2)]
    assert made[0] == made[1]
    assert send(api, PAIR * 2, **{"idempotency-key": "a"}).status_code == 422
    assert PromptUpload.objects.get().file.read_bytes() == PAIR


def test_what_was_refused_may_come_again_under_its_key(project: Project, owner: User) -> None:
    api = Api(owner)
    refused = keyed(api, "a", "/projects/kitchen/exports", {"format": "?"})
    assert refused.status_code == 422
    assert keyed(api, "a", "/projects/kitchen/exports", {"format": "groups"}).status_code == 202


def test_one_that_is_worked_on_waits_until_its_worker_must_be_dead(
    project: Project, owner: User
) -> None:
    api = Api(owner)
    path, content = "/projects/kitchen/exports", {"format": "groups"}
    body = json.dumps(content).encode()
    begin_request(api.token, "a", (ROOT + path).encode(), body)
    waiting = keyed(api, "a", path, content)
    assert (waiting.status_code, int(waiting["Retry-After"])) == (409, 120)
    IdempotentRequest.objects.update(created_at=timezone.now() - ABANDONED - timedelta(seconds=1))
    assert keyed(api, "a", path, content).status_code == 202


def test_an_answer_whose_token_was_deleted_meanwhile_is_not_kept(
    project: Project, owner: User
) -> None:
    token = Api(owner).token
    begun = begin_request(token, "a", b"sent")
    token.delete()
    keep_answer(begun, 201, b"{}")
    assert not IdempotentRequest.objects.exists()


def test_a_key_is_forgotten_after_a_day(project: Project, owner: User) -> None:
    api = Api(owner)
    path, content = "/projects/kitchen/exports", {"format": "groups"}
    first = keyed(api, "a", path, content).json()
    IdempotentRequest.objects.update(created_at=timezone.now() - KEPT - timedelta(seconds=1))
    assert keyed(api, "a", path, content).json() != first
    IdempotentRequest.objects.update(created_at=timezone.now() - KEPT - timedelta(seconds=1))
    delete_old_requests()
    assert not IdempotentRequest.objects.exists()


@pytest.mark.parametrize("key", ["", "x" * 256, "a\x01b"])
def test_a_key_that_is_none_is_refused(project: Project, owner: User, key: str) -> None:
    refused = keyed(Api(owner), key, "/projects/kitchen/exports", {"format": "groups"})
    assert refused.status_code == 422
