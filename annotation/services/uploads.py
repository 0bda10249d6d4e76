"""Long files of prompts, added by a worker: many small transactions, so that others go on writing.

A file is checked whole before its first prompt is added. A killed worker leaves it to the next;
what was added is not added twice.
"""

import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop

from annotation.exchange.files import put_in_place, write_aside
from annotation.exchange.prompts import NewPrompt, UnreadablePrompt, parse_prompts
from annotation.models import Project, PromptUpload, User
from annotation.selectors.uploads import CLAIM, free_uploads
from annotation.services.prompts import add_prompts
from config.celery import app

Status = PromptUpload.Status
BATCH = 1000  # lines a transaction
TURN_SECONDS = 5.0  # then other short jobs get the worker
NOT_UTF8 = gettext_noop("The file is not UTF-8 text: save it as UTF-8 and upload it again.")
GONE = gettext_noop("The file is gone from the server: upload it again.")
NO_PROMPT = gettext_noop("There is no prompt in it.")


def receive_upload(
    project: Project, by: User, chunks: Iterable[bytes], name: str, language: str
) -> PromptUpload:
    """Keeps the file and asks a worker for it."""
    upload = PromptUpload(project=project, uploaded_by=by, name=name[:200], language=language)
    upload.file.parent.mkdir(parents=True, exist_ok=True)
    lines = 0
    with write_aside(upload.file.parent) as (aside, file):
        for chunk in chunks:
            file.write(chunk)
            lines += chunk.count(b"\n")
        put_in_place(file, aside, upload.file)
    upload.lines = lines + 1
    with transaction.atomic():
        upload.save()
        transaction.on_commit(partial(call_worker, upload.pk), robust=True)
    return upload


def call_worker(upload_id: int) -> None:
    app.send_task("annotation.tasks.add_uploaded_prompts", (upload_id,))


def call_worker_for_free_uploads() -> None:
    """For those that a worker left, or whose message was lost."""
    for upload in free_uploads():
        call_worker(upload.pk)


def work_on_upload(upload_id: int) -> bool:
    """One turn of a few seconds; False when there is nothing more to do, or another worker has it.

    Raises nothing for what is wrong with the file: that ends the upload with a sentence.
    """
    upload = _claim(upload_id)
    if upload is None:
        return False
    try:
        more = _work(upload, time.monotonic() + TURN_SECONDS)
    except UnicodeDecodeError:
        more = _end(upload, Status.REFUSED, NOT_UTF8)
    except FileNotFoundError:
        more = _end(upload, Status.REFUSED, GONE)
    except UnreadablePrompt as problem:
        more = _end(upload, Status.REFUSED, problem.template, problem.values)
    return more and bool(_held(upload).update(claim=None, claimed_until=None))


def cancel_upload(upload: PromptUpload) -> bool:
    """Ends it between two batches: what was added stays. False when it has ended already."""
    at_work = PromptUpload.objects.filter(pk=upload.pk, status__in=PromptUpload.ACTIVE)
    if not at_work.update(status=Status.CANCELLED, finished_at=timezone.now(), claim=None):
        return False
    upload.file.unlink(missing_ok=True)
    return True


def _claim(upload_id: int) -> PromptUpload | None:
    claim = {"claim": uuid.uuid4(), "claimed_until": timezone.now() + CLAIM}
    if not free_uploads().filter(pk=upload_id).update(**claim):
        return None
    return PromptUpload.objects.select_related("project").get(pk=upload_id)


def _held(upload: PromptUpload) -> QuerySet[PromptUpload]:
    """The upload as long as this worker's claim holds and nobody has cancelled it."""
    return PromptUpload.objects.filter(pk=upload.pk, claim=upload.claim, status=upload.status)


def _work(upload: PromptUpload, until: float) -> bool:
    """True when there is more to do after this turn."""
    while True:
        for first, lines in _batches(upload):
            rows = list(parse_prompts(lines, first))
            if not _keep(upload, len(lines), rows):
                return False
            if time.monotonic() > until:
                return True
        if upload.status == Status.ADDING:
            return _end(upload, Status.DONE)
        upload.refresh_from_db(fields=["prompts"])
        if not upload.prompts:
            return _end(upload, Status.REFUSED, NO_PROMPT)
        if not _begin_to_add(upload):
            return False


def _batches(upload: PromptUpload) -> Iterator[tuple[int, list[str]]]:
    """What is left of the present part: the number of the first line, and the lines."""
    with upload.file.open(encoding="utf-8-sig") as file:
        done = upload.lines_done
        lines = islice(file, done, None)
        while batch := list(islice(lines, BATCH)):
            yield done + 1, batch
            done += len(batch)


@transaction.atomic
def _keep(upload: PromptUpload, lines: int, rows: list[NewPrompt]) -> bool:
    """Writes down that the lines were checked, or adds their prompts; False: it was cancelled, or
    is another worker's."""
    counts: dict[str, Any] = {
        "lines_done": F("lines_done") + lines,
        "claimed_until": timezone.now() + CLAIM,
    }
    if upload.status == Status.CHECKING:
        counts["prompts"] = F("prompts") + len(rows)
    else:
        counts["added"] = F("added") + add_prompts(upload.project, _in_language(upload, rows))
    if not _held(upload).update(**counts):
        transaction.set_rollback(True)
        return False
    return True


def _in_language(upload: PromptUpload, rows: list[NewPrompt]) -> list[NewPrompt]:
    return [row if row.language else replace(row, language=upload.language) for row in rows]


def _begin_to_add(upload: PromptUpload) -> bool:
    counted = F("lines_done")
    if not _held(upload).update(status=Status.ADDING, lines=counted, lines_done=0):
        return False
    upload.refresh_from_db(fields=["status", "lines_done"])
    return True


def _end(
    upload: PromptUpload,
    status: PromptUpload.Status,
    problem: str = "",
    values: Mapping[str, int] | None = None,
) -> bool:
    """Always False: there is nothing more to do."""
    found: dict[str, Any] = {"problem": problem, "problem_values": values or {}}
    ended = {"status": status, "finished_at": timezone.now(), "claim": None}
    if _held(upload).update(**found, **ended):
        upload.file.unlink(missing_ok=True)
    return False
