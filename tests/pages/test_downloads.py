"""A download that broke off is gone on with, and joined it is the whole."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from annotation.exchange.writing.formats import FORMATS
from annotation.exchange.writing.wanted import Wanted
from annotation.models import PolicyVersion, Project, User
from annotation.services.exports import ask_for_export, write_next_export
from annotation.services.jobs import link_token
from annotation.services.snapshots import link_token as snapshot_link_token
from annotation.services.snapshots import take_named_snapshot
from tests.annotation.desk import rank
from tests.pages.test_api import ROOT, Api
from tests.people import champion, ready_group

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def files(
    project: Project, owner: User, labeler: User, settings: Settings, tmp_path: Path
) -> dict[str, str]:
    """The address of one of each kind."""
    settings.VAR_FOLDER = tmp_path
    ready_group(project)
    rank(project, labeler)
    export = ask_for_export(project, owner, FORMATS["groups"], Wanted())
    assert write_next_export()
    snapshot = take_named_snapshot(project, "groups", "Taken", owner)
    folder = tmp_path / "models" / "kitchen" / "1-x"
    folder.mkdir(parents=True)
    for name, size in (("a.bin", 700), ("empty.txt", 0), ("long.safetensors", 200_000)):
        (folder / name).write_bytes(bytes(range(100)) * (size // 100))
    PolicyVersion.objects.create(
        project=project,
        number=1,
        parent=champion(project),
        base_model="b",
        path="models/kitchen/1-x",
    )
    return {
        "export": reverse("export_file", args=["kitchen", export.pk]),
        "export's link": reverse("export_link", args=[link_token(export)]),
        "snapshot": reverse("snapshot_file", args=["kitchen", snapshot.pk]),
        "snapshot's link": reverse("snapshot_link", args=[snapshot_link_token(snapshot)]),
        "version": reverse("version_archive", args=["kitchen", "policy", 1]),
        "export by token": f"{ROOT}/projects/kitchen/exports/{export.pk}/file",
        "snapshot by token": f"{ROOT}/projects/kitchen/snapshots/{snapshot.pk}/file",
    }


def getter(files: dict[str, str], owner: User, kind: str) -> Any:
    """Asks for a file, with headers."""
    browser = Client()
    if "link" not in kind:
        browser.force_login(owner)
    token = {"authorization": f"Bearer {Api(owner).secret}"} if "token" in kind else {}
    return lambda **headers: browser.get(files[kind], headers={**token, **headers})


@pytest.fixture(params=["export", "version"])
def get(files: dict[str, str], owner: User, request: pytest.FixtureRequest) -> Any:
    """Of a file, and of one made while it is sent."""
    return getter(files, owner, request.param)


def test_what_is_joined_of_two_downloads_has_the_checksum_of_the_whole(
    files: dict[str, str], owner: User
) -> None:
    for kind in files:
        ask = getter(files, owner, kind)
        whole = ask()
        content = whole.getvalue()
        assert (whole.status_code, whole["Accept-Ranges"]) == (200, "bytes")
        assert int(whole["Content-Length"]) == len(content)
        for begun in (1, len(content) // 2, len(content) - 1):
            rest = ask(range=f"bytes={begun}-", if_range=whole["ETag"])
            assert rest.status_code == 206
            assert rest["Content-Range"] == f"bytes {begun}-{len(content) - 1}/{len(content)}"
            assert int(rest["Content-Length"]) == len(content) - begun
            joined = hashlib.sha256(content[:begun] + rest.getvalue()).hexdigest()
            assert joined == hashlib.sha256(content).hexdigest(), kind


def test_a_part_in_the_middle_or_at_the_end_is_sent_alone(get: Any) -> None:
    content = get().getvalue()
    parts = {"0-0": slice(0, 1), "5-700": slice(5, 701), "-9": slice(-9, None)}
    for asked, part in parts.items():
        assert get(range=f"bytes={asked}").getvalue() == content[part], asked


def test_what_is_no_single_part_gets_the_whole(get: Any) -> None:
    for asked in ("lines=1-2", "bytes=9-3", "bytes=-", "bytes=1-2,5-6", "bytes=a-", "bytes"):
        answer = get(range=asked)
        assert (answer.status_code, "Content-Range" in answer) == (200, False), asked
        assert len(answer.getvalue()) == int(answer["Content-Length"])


def test_of_another_file_than_was_begun_with_the_whole_is_sent(get: Any) -> None:
    answer = get(range="bytes=5-", if_range='"another"')
    assert answer.status_code == 200
    assert len(answer.getvalue()) == int(answer["Content-Length"])


def test_beyond_its_end_there_is_nothing(files: dict[str, str], owner: User) -> None:
    for kind in ("export", "version", "export by token"):
        ask = getter(files, owner, kind)
        size = int(ask()["Content-Length"])
        answer = ask(range=f"bytes={size}-")
        assert (answer.status_code, answer["Content-Range"]) == (416, f"bytes */{size}")


def test_a_changed_version_is_another_file(
    files: dict[str, str], owner: User, tmp_path: Path
) -> None:
    ask = getter(files, owner, "version")
    before = ask()
    (tmp_path / "models" / "kitchen" / "1-x" / "a.bin").write_bytes(b"b" * 701)
    assert ask(range="bytes=5-", if_range=before["ETag"]).status_code == 200
