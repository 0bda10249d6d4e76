"""Long files of prompts, added by a worker: many small transactions, so that others go on writing.

A file is checked whole before its first prompt is added. A killed worker leaves it to the next;
what was added is not added twice.
"""

import time
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_noop

from annotation.exchange.files import put_in_place, write_aside
from annotation.exchange.prompts import NewPrompt, parse_prompts
from annotation.exchange.reading.archives import TOO_MANY, unpacked
from annotation.exchange.reading.datasets import parts_of
from annotation.exchange.wording import Unreadable
from annotation.models import Project, PromptUpload, User
from annotation.selectors.claims import CLAIM
from annotation.selectors.uploads import free_uploads
from annotation.services import imports
from annotation.services.calling import call_after_commit
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
LARGEST_ARCHIVE, MOST_PARTS = 512 << 20, 20  # bytes unpacked, files of rows
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
    files = [(name, chunks)]
    [upload] = _receive(project, by, files, language, with_preview=with_preview)
    return upload


def _receive(
    project: Project,
    by: User | None,
    files: Sequence[tuple[str, Iterable[bytes]]],
    language: str,
    *,
    with_preview: bool,
) -> list[PromptUpload]:
    """Keeps all of the named files and asks a worker for them; or keeps none."""
    of_all = {"project": project, "uploaded_by": by, "language": language}
    given = [
        (PromptUpload(**of_all, name=name[:200], with_preview=with_preview), chunks)
        for name, chunks in files
    ]
    try:
        for upload, chunks in given:
            upload.lines = keep_file(upload.file, chunks)
        with transaction.atomic():
            for upload, _chunks in given:
                upload.save()
                call_after_commit(call_worker, upload.pk)
    except BaseException:
        for upload, _chunks in given:
            remove_files(upload)
        raise
    return [upload for upload, _chunks in given]


def keep_file(path: Path, chunks: Iterable[bytes]) -> int:
    """What is sent, in one step; how many lines it has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = 0
    with write_aside(path.parent) as (aside, file):
        for chunk in chunks:
            file.write(chunk)
            lines += chunk.count(b"\n")
        put_in_place(file, aside, path)
    return lines + 1


def receive_file(
    project: Project, by: User | None, file: "UploadedFile[Any]", language: str = ""
) -> list[PromptUpload]:
    """The file for a preview; of a zip archive of a data set, each file of rows in it.

    Raises Unreadable, or NoRoom, and keeps nothing then.
    """
    name = file.name or ""
    if not zipfile.is_zipfile(file):
        file.seek(0)
        return [receive_upload(project, by, file.chunks(), name, language, with_preview=True)]
    with unpacked(cast(IO[bytes], file), LARGEST_ARCHIVE) as folder:
        parts = parts_of(folder)
        if len(parts) > MOST_PARTS:
            raise Unreadable(TOO_MANY, most=MOST_PARTS)
        files = [(f"{name}: {part.file.relative_to(folder)}", part.chunks()) for part in parts]
        return _receive(project, by, files, language, with_preview=True)


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
