"""Snapshots are a page: taken, brought, named, compared, trained on, taken out."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from annotation.exchange.split import prompt_key, split_of
from annotation.models import Project, Snapshot, SnapshotJob, User
from annotation.services import snapshots
from annotation.services.jobs import cancel
from annotation.services.snapshots import SnapshotRefused, take_groups_snapshot
from rewardmodel.models import TrainingRun
from rewardmodel.services import snapshot_jobs
from rewardmodel.services.archiving import archive_project, ask_deletion
from rewardmodel.services.imported_snapshots import Origin
from rewardmodel.services.snapshot_jobs import (
    ask_for_snapshot,
    make_next_snapshot,
    receive_snapshot,
)
from tests.annotation.desk import rank
from tests.pages.conftest import As
from tests.pages.test_api import ROOT, Api
from tests.people import member, ready_group

HOME = "/projects/kitchen/snapshots/"
ROW = {
    "prompt": [{"role": "user", "content": "Why?"}],
    "answers": ["So.", "Thus."],
    "rankings": [{"labeler": "a", "ranks": [1, 2]}, {"labeler": "b", "ranks": [2, 1]}],
    "lang": "en",
}


@pytest.fixture
def ranked(project: Project, labeler: User) -> Project:
    for question in ("Why?", "How?"):
        ready_group(project, question)
        rank(project, labeler, {0: 1, 1: 2, 2: 2})
    return project


def take(browser: Client, name: str = "Before", kind: str = "groups") -> Snapshot:
    """What a worker made."""
    browser.post(HOME, {"name": name, "kind": kind})
    assert make_next_snapshot()
    return Snapshot.objects.get(name=name)


def bring(browser: Client, *rows: Any, name: str = "Brought") -> str:
    """The page after a worker has read the file."""
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    file = SimpleUploadedFile("rows.jsonl", b"\n".join(lines))
    said = {"name": name, "file": file, "source": "example.org", "licence": "MIT"}
    assert browser.post(HOME, {**said, "has_consent": "on"})["Location"] == HOME
    assert make_next_snapshot()
    return browser.get(HOME).content.decode()


def test_one_taken_by_hand_has_a_name_and_a_card(as_: As, ranked: Project, owner: User) -> None:
    browser = as_(owner)
    snapshot = take(browser)
    assert (snapshot.rows, snapshot.rankings, snapshot.taken_by) == (2, 2, owner)
    card = snapshot.card
    assert (card["prompts"], card["answers"], card["labelers"]) == (2, 6, 1)
    assert (card["pairs"], card["ties"], card["agreement"]) == (6, 2 / 6, None)
    assert card["policies"] == {"0": 6}
    assert card["made_here"] == 2
    page = browser.get(f"{HOME}{snapshot.pk}/").content.decode()
    assert "33 % of them tied" in page
    assert snapshot.sha256 in page


def test_agreement_is_of_the_pairs_that_two_put_in_an_order(
    as_: As, project: Project, owner: User, labeler: User
) -> None:
    project.overlap = 2
    project.save()
    ready_group(project)
    rank(project, labeler, {0: 1, 1: 2, 2: 3})
    rank(project, member(project, "other"), {0: 1, 1: 3, 2: 2})
    card = take(as_(owner)).card
    assert (card["agreement_pairs"], card["agreement"]) == (3, 2 / 3)


def test_a_name_is_given_once_and_nothing_is_no_snapshot(
    as_: As, ranked: Project, owner: User
) -> None:
    browser = as_(owner)
    take(browser)
    again = browser.post(HOME, {"name": "Before", "kind": "groups"})
    assert "already" in again.content.decode()
    browser.post(HOME, {"name": "Shown", "kind": "demonstrations"})
    assert make_next_snapshot()
    assert "nothing of this kind" in browser.get(HOME).content.decode()
    assert [each.name for each in Snapshot.objects.all()] == ["Before"]


def test_one_of_a_training_is_kept_by_giving_it_a_name(
    as_: As, ranked: Project, owner: User
) -> None:
    snapshot = take_groups_snapshot(ranked)
    as_(owner).post(f"{HOME}{snapshot.pk}/", {"name": "Kept"})
    snapshot.refresh_from_db()
    assert (snapshot.name, snapshot.card["rows"]) == ("Kept", 2)


def test_the_difference_of_two_names_what_was_added_and_changed(
    as_: As, ranked: Project, owner: User, labeler: User
) -> None:
    browser = as_(owner)
    first = take(browser, "First")
    ready_group(ranked, "Where to?")
    rank(ranked, labeler)
    [why, *_others] = ranked.groups.order_by("pk")
    why.rankings.update(ranks=[3, 1, 2])
    second = take(browser, "Second")
    page = browser.get(f"{HOME}{second.pk}/compare/?with={first.pk}")
    difference = page.context["difference"]
    assert [row.question for row in difference.added] == ["Where to?"]
    assert [row.question for row in difference.changed] == ["Why?"]
    assert (difference.gone, difference.same) == ([], 1)
    assert (difference.rankings_added, difference.rankings_changed) == (1, 1)
    back = browser.get(f"{HOME}{first.pk}/compare/?with={second.pk}").context["difference"]
    assert back.rankings_gone == 1
    same = browser.get(f"{HOME}{first.pk}/compare/?with={first.pk}").context["difference"]
    assert (same.added, same.changed, same.gone, same.same) == ([], [], [], 2)


def test_the_file_is_taken_out_by_login_and_by_link(
    as_: As, ranked: Project, owner: User, labeler: User
) -> None:
    browser = as_(owner)
    snapshot = take(browser)
    response = browser.get(f"{HOME}{snapshot.pk}/file/")
    assert b"".join(response) == snapshot.file.read_bytes()
    assert response["X-Content-SHA256"] == snapshot.sha256
    link = browser.get(f"{HOME}{snapshot.pk}/").context["link"]
    assert b"".join(Client().get(link)) == snapshot.file.read_bytes()
    assert Client().get(f"{link[:-2]}x/").status_code == 404
    assert as_(labeler).get(f"{HOME}{snapshot.pk}/file/").status_code == 403


def test_a_link_leads_nowhere_once_its_project_is_to_be_deleted(
    as_: As, ranked: Project, owner: User
) -> None:
    browser = as_(owner)
    link = browser.get(f"{HOME}{take(browser).pk}/").context["link"]
    archive_project(ranked)
    ask_deletion(ranked)
    assert Client().get(link).status_code == 404


def test_a_file_from_elsewhere_becomes_one_and_says_where_it_is_from(
    as_: As, project: Project, owner: User
) -> None:
    html = bring(as_(owner), ROW)
    snapshot = Snapshot.objects.get()
    assert f"{HOME}{snapshot.pk}/" in html
    assert (snapshot.kind, snapshot.rows, snapshot.rankings) == ("groups", 1, 2)
    assert (snapshot.is_imported, snapshot.card["agreement"]) == (True, 0)
    [source] = snapshot.card["sources"]
    assert source == {"source": "example.org", "licence": "MIT", "has_consent": True, "rows": 1}


def test_what_is_held_out_here_is_held_out_in_a_file_that_says_otherwise(
    as_: As, project: Project, owner: User
) -> None:
    asked = [[{"role": "user", "content": f"Question {number}?"}] for number in range(40)]
    bring(as_(owner), *({**ROW, "prompt": prompt, "split": "train"} for prompt in asked))
    rows = [json.loads(line) for line in Snapshot.objects.get().file.read_text().splitlines()]
    assert [row["split"] for row in rows] == [
        split_of(prompt_key(prompt), project.heldout_percent) for prompt in asked
    ]


def test_what_was_taken_out_and_brought_again_is_the_same_bytes(
    as_: As, ranked: Project, owner: User
) -> None:
    browser = as_(owner)
    snapshot = take(browser)
    bring(browser, *snapshot.file.read_bytes().splitlines())
    assert Snapshot.objects.get(name="Brought").sha256 == snapshot.sha256


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({**ROW, "rankings": [{"labeler": "a", "ranks": [1]}]}, "line 2: 1 ranks for 2 answers"),
        ({**ROW, "prompt": "Why?"}, "line 2: 'prompt' must be a list"),
        (b'{"prompt": [', "line 2"),
        (b"[" * 50_000, "nested deeper"),
        (b"[1]", "no json object"),
        (b"\xff", "not utf-8"),
        ({**ROW, "split": "test"}, "line 2: 'split' is 'test'"),
        ({**ROW, "prompt": [{"role": "user"}]}, "line 2: 'prompt' must be a list"),
        ({**ROW, "prompt": [["role"]]}, "line 2: 'prompt' must be a list"),
        ({**ROW, "prompt": {"role": "user"}}, "line 2: 'prompt' must be a list"),
        ({**ROW, "answers": None}, "line 2: 'answers' must be a list"),
        ({**ROW, "sources": [None]}, "line 2: 'sources' must be a list of objects"),
        ({**ROW, "finish_reasons": 5}, "line 2: 'finish_reasons' must be a list of texts"),
    ],
)
def test_a_file_that_no_training_takes_is_refused_with_the_place(
    as_: As, project: Project, owner: User, row: Any, said: str
) -> None:
    page = bring(as_(owner), ROW, row)
    assert said in page.lower().replace("&#x27;", "'")
    assert not Snapshot.objects.exists()


def test_a_file_without_anything_to_learn_is_refused(
    as_: As, project: Project, owner: User
) -> None:
    page = bring(as_(owner), {**ROW, "rankings": [{"labeler": "a", "ranks": [1, 1]}]})
    assert "no row in it that can be learned from" in page
    assert not Snapshot.objects.exists()


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"prompt": ROW["prompt"]}, "prompts"),
        (
            {
                "messages": [
                    {"role": "user", "content": "Why?"},
                    {"role": "assistant", "content": "So."},
                ]
            },
            "demonstrations",
        ),
    ],
)
def test_prompts_and_demonstrations_are_brought_too(
    as_: As, project: Project, owner: User, row: Any, kind: str
) -> None:
    bring(as_(owner), row)
    assert Snapshot.objects.get().kind == kind


@pytest.mark.parametrize(
    ("row", "kept"),
    [
        ({"messages": []}, ROW),
        ({"answers": 5}, {"prompt": ROW["prompt"]}),
        ({"rankings": [5]}, {"prompt": ROW["prompt"]}),
    ],
)
def test_of_a_row_only_what_belongs_to_its_kind_is_kept(
    as_: As, project: Project, owner: User, row: Any, kept: Any
) -> None:
    bring(as_(owner), kept, {**kept, **row})
    rows = [json.loads(line) for line in Snapshot.objects.get().file.read_text().splitlines()]
    assert [each.keys() for each in rows] == [kept.keys() | {"split"}] * 2


def test_a_file_of_which_no_snapshot_came_is_not_kept(
    as_: As,
    project: Project,
    owner: User,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    tmp_path: Path,
) -> None:
    def refuse(*_given: Any) -> None:
        raise SnapshotRefused("Somebody took the name meanwhile.")

    settings.VAR_FOLDER = tmp_path
    monkeypatch.setattr(snapshot_jobs, "name_snapshot", refuse)
    assert "meanwhile" in bring(as_(owner), ROW)
    assert not list(tmp_path.rglob("*.jsonl"))


def test_one_that_was_asked_for_says_how_far_it_is_and_can_be_cancelled(
    as_: As, ranked: Project, owner: User, labeler: User, stranger: User
) -> None:
    browser = as_(owner)
    browser.post(HOME, {"name": "Before", "kind": "groups"})
    job = ranked.snapshotjobs.get()
    SnapshotJob.objects.update(status="writing", claim=job.key, read=1, total=2)
    html = browser.get(HOME, headers={"HX-Request": "true"}).content.decode()
    assert "1 of 2 read" in html
    assert "every 2s" in html
    end = f"{HOME}jobs/{job.pk}/cancel/"
    assert (as_(stranger).post(end).status_code, as_(labeler).post(end).status_code) == (404, 403)
    browser.post(end)
    job.refresh_from_db()
    assert job.status == "cancelled"
    assert not make_next_snapshot()


def test_a_cancelled_file_is_gone(as_: As, project: Project, owner: User) -> None:
    origin = Origin("example.org", "MIT", True)
    job = receive_snapshot(project, owner, "Brought", origin, [json.dumps(ROW).encode()])
    assert job.file.exists()
    as_(owner).post(f"{HOME}jobs/{job.pk}/cancel/")
    assert not job.file.exists()


def test_one_cancelled_as_it_ends_leaves_neither_snapshot_nor_file(
    ranked: Project, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def card_of(snapshot: Snapshot) -> dict[str, Any]:
        cancel(ranked.snapshotjobs.get())
        return {"rows": snapshot.rows}

    monkeypatch.setattr(snapshots, "card_of", card_of)
    job = ask_for_snapshot(ranked, owner, "Before", "groups")
    assert make_next_snapshot()
    job.refresh_from_db()
    assert (job.status, Snapshot.objects.count()) == ("cancelled", 0)


def test_a_name_taken_while_one_waits_fails_it_with_a_sentence(
    as_: As, ranked: Project, owner: User
) -> None:
    for _ in range(2):
        as_(owner).post(HOME, {"name": "Before", "kind": "groups"})
    while make_next_snapshot():
        pass
    second, first = ranked.snapshotjobs.all()
    assert (first.status, second.status) == ("done", "failed")
    assert second.problem_said == "There is a snapshot named “Before” already: choose another name."
    html = as_(owner).get(HOME, headers={"Accept-Language": "zh-hans"}).content.decode()
    assert "已经有名为“Before”的快照：请换一个名称。" in html


def test_a_training_is_started_on_a_chosen_snapshot(
    as_: As, project: Project, owner: User, labeler: User
) -> None:
    browser = as_(owner)
    bring(browser, ROW)
    snapshot = Snapshot.objects.get()
    browser.post(f"{HOME}{snapshot.pk}/train/", {"kind": "reward"})
    run = TrainingRun.objects.get()
    assert (run.kind, run.snapshot) == ("reward", snapshot)
    assert run.config["snapshot"] == str(snapshot.file)
    assert f"/runs/{run.pk}/" in browser.get(f"{HOME}{snapshot.pk}/").content.decode()
    assert browser.post(f"{HOME}{snapshot.pk}/train/", {"kind": "text"}).status_code == 404
    assert as_(labeler).post(f"{HOME}{snapshot.pk}/train/", {"kind": "reward"}).status_code == 403


def test_one_whose_file_is_gone_says_so_and_trains_nothing(
    as_: As, ranked: Project, owner: User
) -> None:
    browser = as_(owner)
    snapshot = take_groups_snapshot(ranked)
    snapshot.file.unlink()
    assert "was removed" in browser.get(f"{HOME}{snapshot.pk}/").content.decode()
    browser.post(f"{HOME}{snapshot.pk}/train/", {"kind": "reward"})
    assert not TrainingRun.objects.exists()
    assert browser.get(f"{HOME}{snapshot.pk}/file/").status_code == 404


def test_snapshots_of_another_project_are_not_there(
    as_: As, ranked: Project, owner: User, stranger: User
) -> None:
    snapshot = take(as_(owner))
    other = Project.objects.create(name="Other", slug="other")
    other.memberships.create(user=owner, role="owner")
    for path in ("", "file/", f"compare/?with={snapshot.pk}"):
        elsewhere = f"/projects/other/snapshots/{snapshot.pk}/{path}"
        assert as_(owner).get(elsewhere).status_code == 404
        assert as_(stranger).get(f"{HOME}{snapshot.pk}/{path}").status_code == 404


def test_programs_take_list_and_fetch_snapshots_and_train_on_them(
    ranked: Project, owner: User
) -> None:
    api = Api(owner)
    asked = api.post("/projects/kitchen/snapshots", {"name": "By script"})
    assert (asked.status_code, asked.json()["status"]) == (202, "waiting")
    assert make_next_snapshot()
    job = api.get(f"/projects/kitchen/snapshot-jobs/{asked.json()['id']}").json()
    assert api.get("/projects/kitchen/snapshot-jobs").json()["items"] == [job]
    assert (job["status"], job["read"], job["total"], job["problem"]) == ("done", 2, 2, "")
    assert api.post("/projects/kitchen/snapshots", {"name": "By script"}).status_code == 409
    made = job["snapshot"]
    address = f"/projects/kitchen/snapshots/{made['id']}"
    [listed] = api.get("/projects/kitchen/snapshots").json()["items"]
    assert listed["card"] == made["card"] == api.get(address).json()["card"]
    file = b"".join(api.get(f"{address}/file"))
    assert file.count(b"\n") == 2
    assert b"".join(Client().get(made["link"])) == file
    run = api.post("/projects/kitchen/runs", {"kind": "reward", "snapshot": made["id"]})
    assert run.status_code == 202
    assert TrainingRun.objects.get().snapshot_id == made["id"]
    assert (
        api.post("/projects/kitchen/runs", {"kind": "text", "snapshot": 10**6}).status_code == 404
    )


def send(api: Api, content: bytes, **said: str) -> Any:
    headers = {"authorization": f"Bearer {api.secret}"}
    given = {"name": "Sent", "source": "example.org", "licence": "MIT", "has_consent": "true"}
    file = SimpleUploadedFile("rows.jsonl", content)
    address = f"{ROOT}/projects/kitchen/snapshot-files"
    return Client().post(address, {**given, **said, "file": file}, headers=headers)


def test_programs_send_files_that_become_snapshots_or_say_why_not(
    project: Project, owner: User
) -> None:
    api = Api(owner)
    longer = json.dumps({**ROW, "answers": ["So.", "x" * 900_000]}).encode()
    asked = send(api, b"\n".join([longer] * 6))  # of more than 4 MB
    assert asked.status_code == 202
    assert make_next_snapshot()
    job = api.get(f"/projects/kitchen/snapshot-jobs/{asked.json()['id']}").json()
    assert (job["snapshot"]["is_imported"], job["snapshot"]["rows"]) == (True, 6)
    [source] = job["snapshot"]["card"]["sources"]
    assert source == {"source": "example.org", "licence": "MIT", "has_consent": True, "rows": 6}
    broken = send(api, b"{", name="Broken").json()["id"]
    assert make_next_snapshot()
    failed = api.get(f"/projects/kitchen/snapshot-jobs/{broken}").json()
    assert (failed["status"], failed["snapshot"]) == ("failed", None)
    assert failed["problem"].startswith("Line 1: ")
    assert send(api, b"{}").status_code == 409
    assert send(api, b"{}", name="Other", has_consent="false").status_code == 422
    assert send(Api(owner, "read"), b"{}", name="Other").status_code == 403
