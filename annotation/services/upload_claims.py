"""Who works on an upload: one worker at a time, until it is done or its claim runs out."""

import uuid
from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from annotation.exchange.wording import Unreadable
from annotation.models import PromptUpload
from annotation.selectors.claims import CLAIM
from annotation.selectors.uploads import free_uploads
from config.celery import app


def call_worker(upload_id: int) -> None:
    app.send_task("annotation.tasks.add_uploaded_prompts", (upload_id,))


def claim(upload_id: int) -> PromptUpload | None:
    values = {"claim": uuid.uuid4(), "claimed_until": timezone.now() + CLAIM}
    if not free_uploads().filter(pk=upload_id).update(**values):
        return None
    return PromptUpload.objects.select_related("project").get(pk=upload_id)


def held(upload: PromptUpload) -> QuerySet[PromptUpload]:
    """The upload as long as this worker's claim holds and nobody has cancelled it."""
    return PromptUpload.objects.filter(pk=upload.pk, claim=upload.claim, status=upload.status)


def go_on(upload: PromptUpload, **values: Any) -> bool:
    """Writes down how far it came, and holds it longer; False: it is no longer this worker's."""
    return bool(held(upload).update(**values, claimed_until=timezone.now() + CLAIM))


def release(upload: PromptUpload) -> bool:
    """Leaves the rest to the next turn; False when it was not this worker's any more."""
    return bool(held(upload).update(claim=None, claimed_until=None))


def stop(upload: PromptUpload, status: PromptUpload.Status, **values: Any) -> bool:
    """Leaves it to people. Always False: there is nothing more to do for a worker."""
    held(upload).update(status=status, claim=None, claimed_until=None, **values)
    return False


def end(
    upload: PromptUpload,
    status: PromptUpload.Status,
    problem: str = "",
    values: Mapping[str, int | str] | None = None,
) -> bool:
    """Ends it, and its files go. Always False: there is nothing more to do."""
    found: dict[str, Any] = {"problem": problem, "problem_values": values or {}}
    ended = {"status": status, "finished_at": timezone.now(), "claim": None}
    if held(upload).update(**found, **ended):
        remove_files(upload)
    return False


def refuse(upload: PromptUpload, problem: Unreadable) -> bool:
    return end(upload, PromptUpload.Status.REFUSED, problem.template, problem.values)


def remove_files(upload: PromptUpload) -> None:
    upload.file.unlink(missing_ok=True)
    remove_staged(upload)


def remove_staged(upload: PromptUpload) -> None:
    upload.staged.unlink(missing_ok=True)
    upload.staged.with_name(f"{upload.staged.name}-journal").unlink(missing_ok=True)
