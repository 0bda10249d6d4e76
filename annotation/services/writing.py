"""The demonstration queue: a prompt is leased to whoever writes an answer to it."""

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from annotation.models import Demonstration, Project, Prompt, User, Writing
from annotation.selectors.demonstrations import demonstrations_of, own_writings, prompts_to_answer
from annotation.services.assignments import lock_user, save_leased
from annotation.services.demonstrations import write_demonstration


class WritingRefused(Exception):
    """A sentence for the author; the text is kept."""


@transaction.atomic
def take_prompt(
    project: Project, author: User, after: int | None = None, wanted: int | None = None
) -> Writing | None:
    """What the author is writing already, else the next prompt, leased; None: no work.

    With `after` the present prompt is given back, its draft kept, and a later one taken; with
    `wanted` that one is, if it still wants the author's answer.
    """
    lock_user(author)
    held = own_writings(project, author).filter(expires_at__isnull=False)
    if after is not None:
        held.update(expires_at=None)
    waiting = prompts_to_answer(project, author)
    prompt = (
        (_lock(waiting.filter(pk=wanted)) if wanted is not None else None)
        or _lock(waiting.filter(pk__in=held.order_by().values("prompt")))
        or _lock(waiting.filter(id__gt=after or 0), skip_locked=True)
        or _lock(waiting, skip_locked=True)
    )
    if prompt is None:
        return None
    writing, _is_new = Writing.objects.get_or_create(prompt=prompt, author=author)
    save_leased(writing, project, [])
    held.exclude(pk=writing.pk).update(expires_at=None)
    return writing


def _lock(prompts: QuerySet[Prompt], skip_locked: bool = False) -> Prompt | None:
    """The first of the prompts, held against others until the transaction ends."""
    locked = prompts.select_for_update(no_key=True, skip_locked=skip_locked, of=("self",))
    while (prompt := locked.first()) is not None:
        # Somebody may have leased it between our look at it and our lock.
        if prompts.filter(pk=prompt.pk).exists():
            return prompt
    return None


def _is_still_open(writing: Writing) -> bool:
    """Whether the author may go on; locks the prompt. A lease that ran out is no matter as long
    as nobody else took it, as with assignments."""
    waiting = prompts_to_answer(writing.prompt.project, writing.author)
    return _lock(waiting.filter(pk=writing.prompt_id)) is not None


@transaction.atomic
def keep_writing(writing: Writing, text: str) -> datetime | None:
    """Keeps the draft and renews the lease: until when; None when the prompt is no longer open.

    What comes late, after the author's answer was stored, is no draft any more.
    """
    is_open = _is_still_open(writing)
    if is_open or not demonstrations_of(writing.prompt, writing.author).exists():
        writing.text, writing.expires_at = text, None
        writing.save()
    if not is_open:
        return None
    save_leased(writing, writing.prompt.project, [])
    return writing.expires_at


def submit_writing(writing: Writing, text: str) -> Demonstration:
    """Stores the answer; sent twice, it is stored once. Raises WritingRefused, the draft kept."""
    with transaction.atomic():
        is_open = _is_still_open(writing)
        stored = demonstrations_of(writing.prompt, writing.author).filter(text=text).first()
        if stored is None and is_open:
            stored = write_demonstration(writing.prompt, writing.author, text)
        writing.text, writing.expires_at = "" if stored else text, None
        writing.save()
    if stored is None:
        raise WritingRefused(
            _("This question has its answers meanwhile. What you wrote is kept below.")
        )
    return stored


@transaction.atomic
def change_answer(written: Demonstration, text: str) -> Demonstration:
    """Stores a new revision of what was written; the old one is kept. Sent twice, it is stored
    once. Raises WritingRefused when it was changed meanwhile, or belongs to a ranking.
    """
    lock_user(written.author)
    current = demonstrations_of(written.prompt, written.author).first()
    if current is not None and current.ranking_id is None:
        if current.text == text:
            return current
        if current == written:
            return write_demonstration(written.prompt, written.author, text)
    raise WritingRefused(_("This answer was changed meanwhile: open the newest one."))
