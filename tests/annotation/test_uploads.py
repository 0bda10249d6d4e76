"""Long files of prompts, added by a worker in many small transactions."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from annotation.exchange.prompts import NewPrompt
from annotation.models import Project, PromptUpload, User
from annotation.selectors.uploads import free_uploads
from annotation.services import uploads
from annotation.services.drafts import save_draft
from annotation.services.upload_claims import claim
from annotation.services.uploads import BATCH, cancel_upload, receive_upload, work_on_upload
from annotation.tasks import keep_queues_full
from tests.annotation.desk import take
from tests.people import ask, ready_group
from tests.worker import Worker, wait_for

Status = PromptUpload.Status


def lines(count: int) -> bytes:
    return "".join(f"What is {number} times two?\n" for number in range(count)).encode()


def received(project: Project, content: bytes, language: str = "") -> PromptUpload:
    by = User.objects.get(username="owner")
    return receive_upload(project, by, [content[:500], content[500:]], "prompts.txt", language)


def finish(upload: PromptUpload) -> PromptUpload:
    while work_on_upload(upload.pk):
        pass
    upload.refresh_from_db()
    return upload


def one_batch_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "TURN_SECONDS", 0.0)


def test_all_prompts_of_a_long_file_are_added_and_the_file_goes(project: Project) -> None:
    ask(project, "What is 7 times two?")
    upload = finish(received(project, lines(2 * BATCH + 3), language="en"))
    assert upload.status == Status.DONE
    assert (upload.prompts, upload.added, upload.known) == (2 * BATCH + 3, 2 * BATCH + 2, 1)
    assert project.prompts.count() == 2 * BATCH + 3
    assert project.prompts.filter(language="en").count() == 2 * BATCH + 2
    assert not upload.file.exists()


def test_nothing_is_added_before_the_whole_file_was_checked(project: Project) -> None:
    content = lines(BATCH + 10) + b'{"prompt": 7}\n'
    upload = finish(received(project, content))
    assert upload.status == Status.REFUSED
    assert upload.problem_said.startswith(f"Line {BATCH + 11}: ")
    assert not project.prompts.exists()
    assert not upload.file.exists()


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"fine\n\xff\xfe\n", "not UTF-8"), (b"\n \n", "no prompt"), (b"", "no prompt")],
)
def test_what_is_wrong_with_a_file_is_said(project: Project, content: bytes, problem: str) -> None:
    upload = finish(received(project, content))
    assert upload.status == Status.REFUSED
    assert problem in upload.problem_said


def test_progress_is_counted_in_lines(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    one_batch_a_turn(monkeypatch)
    upload = received(project, lines(2 * BATCH))
    seen = []
    while work_on_upload(upload.pk):
        upload.refresh_from_db()
        seen.append((upload.status, upload.lines_done, upload.added))
    assert seen == [
        (Status.CHECKING, BATCH, 0),
        (Status.CHECKING, 2 * BATCH, 0),
        (Status.ADDING, BATCH, BATCH),
        (Status.ADDING, 2 * BATCH, 2 * BATCH),
    ]


def test_an_upload_whose_worker_died_is_gone_on_with_where_it_was(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_batch_a_turn(monkeypatch)
    upload = received(project, lines(3 * BATCH))
    for _ in range(4):
        work_on_upload(upload.pk)
    dead = claim(upload.pk)
    assert dead is not None
    assert not work_on_upload(upload.pk)
    PromptUpload.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    assert list(free_uploads()) == [upload]
    assert finish(upload).status == Status.DONE
    assert project.prompts.count() == upload.added == 3 * BATCH
    assert not uploads._keep(dead, 1, [])


def test_an_upload_to_an_archived_project_waits(project: Project) -> None:
    upload = received(project, lines(3))
    Project.objects.update(is_active=False, archived_at=timezone.now())
    assert not work_on_upload(upload.pk)
    assert not project.prompts.exists()
    Project.objects.update(archived_at=None)
    assert finish(upload).status == Status.DONE


def test_two_workers_have_an_upload_in_turn_and_never_at_once(project: Project) -> None:
    upload = received(project, lines(10))
    assert claim(upload.pk) is not None
    assert claim(upload.pk) is None


def test_a_cancelled_upload_keeps_what_was_added_and_adds_no_more(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_batch_a_turn(monkeypatch)
    upload = received(project, lines(3 * BATCH))
    for _ in range(4):
        work_on_upload(upload.pk)
    at_work = claim(upload.pk)
    assert at_work is not None
    assert cancel_upload(upload)
    assert not uploads._keep(at_work, 1, [NewPrompt([{"role": "user", "content": "Late?"}])])
    assert not cancel_upload(upload)
    upload.refresh_from_db()
    assert (upload.status, upload.added) == (Status.CANCELLED, BATCH)
    assert project.prompts.count() == BATCH
    assert not upload.file.exists()


@pytest.mark.django_db(transaction=True)
def test_while_a_long_file_is_added_labelers_go_on_writing(project: Project, labeler: User) -> None:
    ready_group(project)
    _assignment, token = take(project, labeler)
    upload = received(project, lines(20 * BATCH))
    with in_another_thread(lambda: finish(upload)):
        longest = 0.0
        while PromptUpload.objects.filter(status__in=PromptUpload.ACTIVE).exists():
            began = time.monotonic()
            assert save_draft(labeler, token, {"comment": str(began)})
            longest = max(longest, time.monotonic() - began)
    assert project.prompts.count() == 20 * BATCH + 1
    assert longest < 5


@pytest.mark.django_db(transaction=True)
def test_a_killed_worker_and_a_lost_message_delay_an_upload_only(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    upload = received(project, lines(30 * BATCH))
    worker = Worker(tmp_path_factory.mktemp("worker") / "worker.log")
    worker.start()
    try:
        wait_for(lambda: PromptUpload.objects.filter(lines_done__gt=0).exists())
        worker.kill()
        PromptUpload.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
        worker.start()
        keep_queues_full.delay()
        wait_for(lambda: not PromptUpload.objects.get().is_active, 120)
    finally:
        worker.kill()
    upload.refresh_from_db()
    assert (upload.status, upload.problem, upload.added) == (Status.DONE, "", 30 * BATCH)
    assert project.prompts.count() == 30 * BATCH


@contextmanager
def in_another_thread(act: Callable[[], object]) -> Iterator[None]:
    def run() -> None:
        try:
            act()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join()
