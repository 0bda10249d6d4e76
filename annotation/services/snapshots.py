"""Snapshots: what training reads, immutable.

They may be large and take a while: take them outside of a transaction, where they keep nobody from
writing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import signing
from django.db import IntegrityError, connection, transaction
from django.db.models import Max
from django.utils.translation import gettext_noop

from annotation.exchange.content_addressed import RowsAside, copy_texts, rows_aside
from annotation.exchange.wording import Worded
from annotation.models import Project, Snapshot, User
from annotation.selectors.demonstrations import demonstration_rows
from annotation.selectors.rankings import current_rankings, group_rows, prompt_rows
from annotation.selectors.snapshots import card_of

Kind = Snapshot.Kind
Seen = Callable[[Iterator[dict[str, Any]]], Iterator[dict[str, Any]]]
SIGNER = signing.TimestampSigner(salt="annotation.snapshots")
LINKED = timedelta(days=7)


TAKEN = gettext_noop("There is a snapshot named “{name}” already: choose another name.")
NOTHING = gettext_noop("There is nothing of this kind in the project yet.")
REMOVED = gettext_noop("Its file was removed since, as nothing needed it any more.")


class SnapshotRefused(Worded):
    """A sentence that says why there is none."""


def take_groups_snapshot(project: Project, seen: Seen = iter) -> Snapshot:
    """Every ranked group with its current rankings, oldest first."""
    snapshot = Snapshot(project=project, kind=Kind.GROUPS)
    with rows_aside(folder_of(project)) as file:
        with at_one_moment():
            last = current_rankings(project).aggregate(Max("id"))["id__max"] or 0
            snapshot.rankings = current_rankings(project).filter(id__lte=last).count()
            snapshot.last_ranking_id = last
            file.write(seen(group_rows(project, last)))
        keep_rows(snapshot, file)
    return snapshot


def take_prompts_snapshot(project: Project, seen: Seen = iter) -> Snapshot:
    return _take(Snapshot(project=project, kind=Kind.PROMPTS), seen(prompt_rows(project)))


def take_demonstrations_snapshot(project: Project, seen: Seen = iter) -> Snapshot:
    rows = seen(demonstration_rows(project))
    return _take(Snapshot(project=project, kind=Kind.DEMONSTRATIONS), rows)


def take_text_snapshot(project: Project, source: Path) -> Snapshot:
    """A copy of the text file or folder, named by its content."""
    while True:
        folder, sha256, count = copy_texts(source, folder_of(project))
        with files_held(project):
            if folder.exists():  # or one as it was there before was cleaned away meanwhile
                return Snapshot.objects.create(
                    project=project,
                    kind=Kind.TEXT,
                    path=str(folder.relative_to(settings.VAR_FOLDER)),
                    sha256=sha256,
                    rows=count,
                )


def take_snapshot(project: Project, kind: str, seen: Seen = iter) -> Snapshot:
    """One of rows, with a card, but without a name yet; `seen` gets each row on its way.

    Raises SnapshotRefused.
    """
    take = {
        Kind.GROUPS: take_groups_snapshot,
        Kind.DEMONSTRATIONS: take_demonstrations_snapshot,
        Kind.PROMPTS: take_prompts_snapshot,
    }[Kind(kind)]
    snapshot = take(project, seen)
    if not snapshot.rows:
        discard(snapshot)
        raise SnapshotRefused(NOTHING)
    data_card(snapshot)
    return snapshot


def take_named_snapshot(project: Project, kind: str, name: str, by: User) -> Snapshot:
    """One that is kept for good. Raises SnapshotRefused."""
    refuse_a_taken_name(project, name)
    snapshot = take_snapshot(project, kind)
    snapshot.taken_by = by
    name_snapshot(snapshot, name)
    return snapshot


def discard(snapshot: Snapshot) -> None:
    """One that is not to be, with its file unless another is of the same bytes."""
    with files_held(snapshot.project):
        snapshot.delete()
        if not Snapshot.objects.filter(path=snapshot.path).exists():
            snapshot.file.unlink(missing_ok=True)


def _require_file(snapshot: Snapshot, name: str) -> None:
    if name and not snapshot.is_there:
        raise SnapshotRefused(REMOVED)


def name_snapshot(snapshot: Snapshot, name: str) -> None:
    """From now on it is kept under the name, with a data card; without one it is kept no longer
    than a run or a version needs it. Raises SnapshotRefused."""
    _require_file(snapshot, name)
    refuse_a_taken_name(snapshot.project, name, snapshot)
    if name and not snapshot.card:
        snapshot.card = card_of(snapshot)
    snapshot.name = name
    try:
        with files_held(snapshot.project):  # the daily cleaning waits for it, or was faster
            _require_file(snapshot, name)
            snapshot.save(update_fields=["name", "card", "taken_by"])
    except IntegrityError as problem:
        raise SnapshotRefused(TAKEN, name=name) from problem


def data_card(snapshot: Snapshot) -> dict[str, Any]:
    """What is in it, counted once; empty for raw text, and where its file was removed before."""
    if not snapshot.card and snapshot.is_there and snapshot.kind != Kind.TEXT:
        snapshot.card = card_of(snapshot)
        Snapshot.objects.filter(pk=snapshot.pk, card={}).update(card=snapshot.card)
    return dict(snapshot.card)


def refuse_a_taken_name(project: Project, name: str, own: Snapshot | None = None) -> None:
    """Raises SnapshotRefused."""
    others = project.snapshots.exclude(pk=own.pk) if own else project.snapshots.all()
    if name and others.filter(name=name).exists():
        raise SnapshotRefused(TAKEN, name=name)


def link_token(snapshot: Snapshot) -> str:
    """What opens the file without a login for a week from now."""
    return SIGNER.sign(str(snapshot.pk))


def snapshot_of_token(token: str) -> Snapshot | None:
    """None where the link is forged or too old, or the snapshot gone or soon to be."""
    try:
        pk = SIGNER.unsign(token, max_age=LINKED)
    except signing.BadSignature:
        return None
    kept = Snapshot.objects.filter(project__deletion_asked_at__isnull=True)
    return kept.filter(pk=pk).select_related("project").first()


@contextmanager
def at_one_moment() -> Iterator[None]:
    """All that is read is as it was at the first read, while others go on writing.

    Within a transaction that is open already it is as that transaction sees it.
    """
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "sqlite":
        sqlite: Any = connection
        sqlite.ensure_connection()  # which sets the mode
        mode = sqlite.transaction_mode  # which takes the write lock at once
        sqlite.transaction_mode = None
        try:
            with transaction.atomic():
                yield
        finally:
            sqlite.transaction_mode = mode
    else:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield


def folder_of(project: Project) -> Path:
    return settings.VAR_FOLDER / "snapshots" / project.slug


@contextmanager
def files_held(project: Project) -> Iterator[None]:
    """A file and the row that names it come together, and go together: equal content is one file,
    which one may be taking while another removes it."""
    with transaction.atomic():
        Project.objects.select_for_update(no_key=True).filter(pk=project.pk).first()
        yield


def keep_rows(snapshot: Snapshot, file: RowsAside) -> None:
    """Its row, and its file in place."""
    snapshot.path = str(file.target.relative_to(settings.VAR_FOLDER))
    snapshot.sha256, snapshot.rows = file.sha256, file.count
    with files_held(snapshot.project):
        snapshot.save()
        file.put_in_place()


def _take(snapshot: Snapshot, rows: Iterable[Mapping[str, Any]]) -> Snapshot:
    with rows_aside(folder_of(snapshot.project)) as file:
        with at_one_moment():
            file.write(rows)
        keep_rows(snapshot, file)
    return snapshot
