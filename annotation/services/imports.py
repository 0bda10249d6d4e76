"""Files with a preview: read and looked through, then added as a whole, or undone as one.

Each step is some seconds of a worker's time. What was read waits in a file beside the upload, so
that whoever goes on after a worker died begins where it was, and nothing is added twice.
"""

import sqlite3
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from annotation.exchange.reading.guessing import guessed
from annotation.exchange.reading.mapping import Mapping, mapping_of
from annotation.exchange.reading.reading import Found, look_at
from annotation.exchange.reading.staged import Staged, batches, staged_at
from annotation.exchange.wording import Unreadable
from annotation.models import Assignment, Project, PromptGroup, PromptUpload
from annotation.selectors.uploads import built_on
from annotation.services.calling import call_after_commit
from annotation.services.imported import store_groups, store_texts, take_back
from annotation.services.upload_claims import (
    call_worker,
    end,
    go_on,
    held,
    remove_files,
    remove_staged,
    stop,
)

Status = PromptUpload.Status
TO_BE_NAMED = (Status.MAPPING, Status.WAITING)  # when it can be said what columns mean
GROUPS = 250  # a transaction
REMEMBERED = 50  # mappings of earlier files
DECIDED_WITHIN = timedelta(days=14)
UNDECIDED = gettext_noop(
    "Nobody decided on it within two weeks, so its file was removed: import it again."
)
MEANWHILE = gettext_noop("This import has gone on meanwhile: look again.")
NOTHING = gettext_noop("Nothing in it can be taken: no row says what this program can use.")


class ImportRefused(Exception):
    """A sentence; nothing was changed."""


def work(upload: PromptUpload, until: float) -> bool:
    """One turn; True when there is more to do. Raises Unreadable for a file that cannot be read."""
    steps = {Status.CHECKING: _check, Status.ADDING: _add, Status.UNDOING: _undo}
    try:
        return steps[Status(upload.status)](upload, until)
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError or upload.status != Status.CHECKING:
            raise
        remove_staged(upload)  # a power cut broke it
        return True


def read_again(upload: PromptUpload, mapping: Mapping) -> None:
    """By what somebody said of its columns. Raises ImportRefused."""
    values = {"mapping": mapping.as_json(), "lines_done": 0, "report": {}}
    _start(upload, TO_BE_NAMED, Status.CHECKING, **values)


def begin_to_add(
    upload: PromptUpload, *, source: str, licence: str, has_consent: bool, leaves_out: bool
) -> None:
    """Raises ImportRefused when there are bad rows that are not to be left out."""
    if upload.report.get("counts", {}).get("problems") and not leaves_out:
        raise ImportRefused(_("Some rows cannot be taken: mend the file, or leave them out."))
    asked = {"source": source, "licence": licence, "has_consent": has_consent}
    count = upload.report.get("groups", 0)
    values = {**asked, "leaves_out": leaves_out, "lines": count, "lines_done": 0}
    _start(upload, (Status.WAITING,), Status.ADDING, **values)


@transaction.atomic
def undo_import(upload: PromptUpload) -> None:
    """Has all taken back that it added. Raises ImportRefused where something was built on it."""
    Project.objects.select_for_update(no_key=True).get(pk=upload.project_id)
    if found := built_on(upload):
        reasons = ", ".join(str(built.label) for built in found)
        raise ImportRefused(_("It cannot be undone: %(reasons)s.") % {"reasons": reasons})
    groups = PromptGroup.objects.filter(upload=upload) | PromptGroup.objects.filter(
        prompt__upload=upload
    )
    groups.update(status=PromptGroup.Status.WITHDRAWN)
    Assignment.objects.filter(group__in=groups, is_done=False).delete()
    _start(upload, (Status.DONE, Status.ADDING), Status.UNDOING, lines_done=0)


def give_up_undecided() -> None:
    """Those that nobody has decided on for two weeks; their rows stay, and say why."""
    undecided = PromptUpload.objects.filter(
        status__in=(Status.MAPPING, Status.WAITING), created_at__lt=timezone.now() - DECIDED_WITHIN
    )
    for upload in undecided:
        give_up(upload, UNDECIDED)


def give_up(upload: PromptUpload, problem: str = "") -> bool:
    """Cancels it before anything was added. False when it has come further."""
    early = (Status.CHECKING, Status.MAPPING, Status.WAITING)
    found = PromptUpload.objects.filter(pk=upload.pk, status__in=early)
    ended = {"status": Status.CANCELLED, "finished_at": timezone.now(), "claim": None}
    if not found.update(**ended, problem=problem):
        return False
    remove_files(upload)
    return True


def _start(
    upload: PromptUpload,
    at: Sequence[PromptUpload.Status],
    status: PromptUpload.Status,
    **values: Any,
) -> None:
    """Raises ImportRefused when somebody else was faster."""
    found = PromptUpload.objects.filter(pk=upload.pk, status__in=at)
    if not found.update(status=status, claim=None, claimed_until=None, **values):
        raise ImportRefused(_(MEANWHILE))
    if status == Status.CHECKING:
        remove_staged(upload)
    call_after_commit(call_worker, upload.pk)


def _check(upload: PromptUpload, until: float) -> bool:
    found = look_at(upload.file, mapping_of(upload.named) if upload.named else None)
    before = None if upload.mapping else _named_before(upload, found)
    if not found.is_readable:
        return _ask_for_columns(upload, found, before or guessed(found.columns, found.label))
    if before is not None:  # of a shape that is known, but was read otherwise
        upload.mapping = before.as_json()
        if not go_on(upload, mapping=upload.mapping):
            return False
        found = look_at(upload.file, before)
    return _read(upload, found, until)


def _ask_for_columns(upload: PromptUpload, found: Found, guess: Mapping) -> bool:
    report = {**_said_of(found), "guess": list(guess.columns.items())}
    if guess.counts_from is not None:
        report["counts_from"] = guess.counts_from
    return stop(upload, Status.MAPPING, report=report)


def _read(upload: PromptUpload, found: Found, until: float) -> bool:
    with staged_at(upload.staged) as staged:
        if not staged.tally.is_read:
            for rows in batches(found.container.rows(staged.tally.place)):
                staged.read(rows, found)
                if not go_on(upload, lines_done=staged.tally.counts["rows"]):
                    return False
                if time.monotonic() > until:
                    return True
            staged.end_reading()
        while staged.group(partial(_known, upload.project)):
            if not go_on(upload):
                return False
            if time.monotonic() > until:
                return True
        return _wait(upload, found, staged)


def _named_before(upload: PromptUpload, found: Found) -> Mapping | None:
    """What somebody said of the same columns last time; None where that was to read them as they
    are recognised."""
    earlier = upload.project.uploads.filter(mapping__isnull=False).exclude(pk=upload.pk)
    earlier = earlier.exclude(status=Status.REFUSED)  # what read nothing is not said again
    for mapping in earlier.values_list("mapping", flat=True)[:REMEMBERED]:
        if mapping and found.columns and set(dict(mapping["columns"])) == set(found.columns):
            said = mapping_of(mapping)
            return None if said.is_recognised else said
    return None


def _known(project: Project, keys: Sequence[str]) -> set[str]:
    return set(project.prompts.filter(key__in=keys).values_list("key", flat=True))


def _wait(upload: PromptUpload, found: Found, staged: Staged) -> bool:
    """Everything is read: now somebody is to look at it."""
    count = staged.count_of_groups()
    report = {**_said_of(found), **staged.figures(), "groups": count}
    if not count:
        problems = staged.problems(0, 1)
        place, problem = problems[0] if problems else (None, Unreadable(NOTHING))
        values = {**problem.values, **({"line": place} if place else {})}
        return end(upload, Status.REFUSED, problem.template, values)
    return stop(upload, Status.WAITING, report=report)


def _said_of(found: Found) -> dict[str, Any]:
    """Columns are pairs in their order, which a database does not keep of an object."""
    return {
        "container": found.container.kind,
        "is_packed": found.container.is_packed,
        "encoding": found.container.encoding,
        "delimiter": found.container.table.delimiter if found.container.table.columns else "",
        "has_header": found.container.table.has_header,
        "counts_from": found.counts_from,
        "shape": found.name,
        "columns": list(found.columns.items()),
        "fields": list(found.fields.items()),
    }


def _add(upload: PromptUpload, until: float) -> bool:
    with staged_at(upload.staged) as staged:
        groups = staged.groups(upload.lines_done)
        while batch := list(islice(groups, GROUPS)):
            if not _add_batch(upload, batch):
                return False
            if time.monotonic() > until:
                return True
        store_texts(upload, staged)
    return end(upload, Status.DONE)


@transaction.atomic
def _add_batch(upload: PromptUpload, batch: list[Any]) -> bool:
    """Adds the groups and writes down how far it came; or neither."""
    prompts, added = store_groups(upload, batch)
    upload.prompts, upload.added = upload.prompts + prompts, upload.added + added
    counts = {"lines_done": batch[-1][0], "prompts": upload.prompts, "added": upload.added}
    if not go_on(upload, **counts):
        transaction.set_rollback(True)
        return False
    return True


def _undo(upload: PromptUpload, until: float) -> bool:
    while take_back(upload):
        if not go_on(upload):
            return False
        if time.monotonic() > until:
            return True
    held(upload).update(added=0)
    return end(upload, Status.UNDONE)
