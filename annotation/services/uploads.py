"""Long files of prompts, added by a worker: many small transactions, so that others go on writing.

A file is checked whole before its first prompt is added. A killed worker leaves it to the next;
what was added is not added twice.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_noop

from annotation.exchange.files import put_in_place, write_aside
from annotation.exchange.prompts import NewPrompt, parse_prompts
from annotation.exchange.wording import Unreadable
from annotation.models import Project, PromptUpload, User
from annotation.selectors.claims import CLAIM
from annotation.selectors.uploads import free_uploads
from annotation.services import imports
from annotation.services.prompts import add_prompts
from annotation.services.upload_claims import (
    call_worker,
    claim,
    end,
    held,
    refuse,
    release,
    remove_files,
)

Status = PromptUpload.Status
BATCH = 1000  # lines a transaction
TURN_SECONDS = 5.0  # then other short jobs get the worker
NOT_UTF8 = gettext_noop("The file is not UTF-8 text: save it as UTF-8 and upload it again.")
GONE = gettext_noop("The file is gone from the server: upload it again.")
NO_PROMPT = gettext_noop("There is no prompt in it.")


def receive_upload(
    project: Project,
    by: User | None,
    chunks: Iterable[bytes],
    name: str,
    language: str = "",
    *,
    with_preview: bool = False,
) -> PromptUpload:
    """Keeps the file and asks a worker for it."""
    upload = PromptUpload(
        project=project,
        uploaded_by=by,
        name=name[:200],
        language=language,
        with_preview=with_preview,
    )
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


def call_worker_for_free_uploads() -> None:
    """For those that a worker left, or whose message was lost."""
    for upload in free_uploads():
        call_worker(upload.pk)


def work_on_upload(upload_id: int) -> bool:
    """One turn of a few seconds; False when there is nothing more to do, or another worker has it.

    Raises nothing for what is wrong with the file: that ends the upload with a sentence.
    """
    upload = claim(upload_id)
    if upload is None:
        return False
    work = imports.work if upload.with_preview else _work
    try:
        more = work(upload, time.monotonic() + TURN_SECONDS)
    except UnicodeDecodeError:
        more = end(upload, Status.REFUSED, NOT_UTF8)
    except FileNotFoundError:
        more = end(upload, Status.REFUSED, GONE)
    except Unreadable as problem:
        more = refuse(upload, problem)
    return more and release(upload)


def cancel_upload(upload: PromptUpload) -> bool:
    """Ends it between two batches: what was added stays. False when it has ended already."""
    at_work = PromptUpload.objects.filter(pk=upload.pk, status__in=(Status.CHECKING, Status.ADDING))
    if not at_work.update(status=Status.CANCELLED, finished_at=timezone.now(), claim=None):
        return False
    remove_files(upload)
    return True


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
            return end(upload, Status.DONE)
        upload.refresh_from_db(fields=["prompts"])
        if not upload.prompts:
            return end(upload, Status.REFUSED, NO_PROMPT)
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
    if not held(upload).update(**counts):
        transaction.set_rollback(True)
        return False
    return True


def _in_language(upload: PromptUpload, rows: list[NewPrompt]) -> list[NewPrompt]:
    return [row if row.language else replace(row, language=upload.language) for row in rows]


def _begin_to_add(upload: PromptUpload) -> bool:
    counted = F("lines_done")
    if not held(upload).update(status=Status.ADDING, lines=counted, lines_done=0):
        return False
    upload.refresh_from_db(fields=["status", "lines_done"])
    return True
