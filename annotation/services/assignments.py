"""Handing groups out: a labeler has one leased assignment in work and perhaps one ahead."""

import random
import uuid
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now
from django.utils import timezone

from annotation.models import Assignment, Project, PromptGroup, Skip, User, Writing
from annotation.selectors.assignments import (
    assignment_under,
    held_assignments,
    held_by,
    next_free,
    surplus_of,
    to_lease,
)
from annotation.selectors.compiled import Compiled
from annotation.services.drafts import draft_of_assignment

FREED: dict[str, object] = {
    "labeler": None,
    "token": None,
    "expires_at": None,
    "leased_at": None,
    "shown_order": [],
}
_lock_next_free = Compiled(
    lambda labeler, project, overlap: next_free(labeler, project, overlap).select_for_update(
        skip_locked=True
    )
)


@transaction.atomic
def take_assignment(project: Project, labeler: User) -> Assignment | None:
    """The assignment that the labeler holds already, else the next free one, leased; None: no work.

    PostgreSQL skips rows that another labeler is just taking; SQLite's immediate transaction
    lets one in at a time. The labeler's row is locked so that two tabs get the same assignment.
    """
    lock_user(labeler)
    held = held_by(labeler).filter(project=project)
    assignment = held.select_for_update().first()
    if assignment is not None and not _show(project, assignment):
        keep_for_holder(assignment)
        Assignment.objects.filter(pk=assignment.pk).update(**FREED)
        assignment = None
    if assignment is None:
        assignment = _next_free(project, labeler)
        if assignment is not None:
            _show(project, assignment)
    return assignment


def go_on(
    project: Project, labeler: User, held: Sequence[Assignment]
) -> tuple[Assignment | None, Assignment | None]:
    """Within a submit's transaction: the assignment now in work, and the one leased ahead of it.

    `held` are the assignments that the labeler had beside the submitted one.
    """
    # Showing an assignment locks its row: a second tab, which would show the same one, waits here.
    if not held or not _show(project, held[0]):
        return take_assignment(project, labeler), None
    return held[0], held[1] if len(held) > 1 else _next_free(project, labeler)


def _show(project: Project, assignment: Assignment) -> bool:
    """The assignment is in work from now on; False when it is no longer the labeler's."""
    assignment.leased_at = assignment.leased_at or timezone.now()
    assignment.expires_at = lease_end(project)
    runs_out = stored_lease_end(project)
    return _change(assignment, leased_at=assignment.leased_at, expires_at=runs_out)


def finish(assignment: Assignment) -> bool:
    """The assignment is done; False when it is no longer the labeler's."""
    return _change(assignment, is_done=True, expires_at=None)


def _change(assignment: Assignment, **values: object) -> bool:
    """Changes it, if it is still the labeler's under the token that it was read with.

    A lease that ran out is honoured as long as nobody else took the assignment; but not in a group
    that has more of them than the overlap, which was lowered: another may be at work instead.
    """
    held = Assignment.objects.filter(pk=assignment.pk, token=assignment.token, is_done=False)
    if held.filter(expires_at__gte=Now()).update(**values):
        return True
    of_group = Assignment.objects.filter(group=assignment.group_id).count()
    return of_group <= assignment.project.overlap and bool(held.update(**values))


@transaction.atomic
def take_ahead(project: Project, labeler: User) -> Assignment | None:
    """The assignment after the one in work, leased to be shown at once; None: no more."""
    lock_user(labeler)
    held = held_assignments(labeler.pk, project.pk)
    if not held:
        return None
    return held[1] if len(held) > 1 else _next_free(project, labeler)


def _next_free(project: Project, labeler: User) -> Assignment | None:
    """The next free assignment, leased to the labeler but not shown yet."""
    while free := _lock_next_free(labeler.pk, project.pk, project.overlap):
        if _is_still_free(project, labeler, free[0]):
            return _lease(project, labeler, free[0])
    return None


def _is_still_free(project: Project, labeler: User, assignment: Assignment) -> bool:
    """Whether a locked assignment may be leased even if others take its group at the same time.

    A group may have more assignments than the overlap, which was lowered: each is locked by
    somebody else then, who does not see that another takes one. So they wait for each other there.
    """
    if getattr(assignment, "of_group") <= project.overlap:  # noqa: B009 (annotated)
        return True
    PromptGroup.objects.select_for_update(no_key=True).only("pk").get(pk=assignment.group_id)
    return to_lease(labeler.pk, project.pk, project.overlap).filter(pk=assignment.pk).exists()


def _lease(project: Project, labeler: User, assignment: Assignment) -> Assignment:
    keep_for_holder(assignment)
    assignment.labeler, assignment.token, assignment.leased_at = labeler, uuid.uuid4(), None
    assignment.shown_order = _shuffled(getattr(assignment, "answer_count"))  # noqa: B009 (annotated)
    save_leased(assignment, project, FREED)
    return assignment


def save_leased(row: Assignment | Writing, project: Project, changed: Collection[str]) -> None:
    """Saves what was changed of the row, with a lease from now on."""
    row.expires_at = stored_lease_end(project)
    row.save(update_fields={*changed, "expires_at"})
    row.expires_at = lease_end(project)


def keep_for_holder(assignment: Assignment) -> None:
    """Whoever held it may send work late, which is found by the draft that is made here."""
    if assignment.labeler_id is not None and assignment.token is not None:
        draft_of_assignment(assignment, assignment.labeler_id, assignment.token)


def _shuffled(answer_count: int) -> list[int]:
    order = list(range(answer_count))
    random.SystemRandom().shuffle(order)
    return order


def lock_user(labeler: User) -> None:
    """Two tabs of one person take turns until the transaction ends."""
    User.objects.select_for_update(no_key=True).only("pk").get(pk=labeler.pk)


def lease_end(project: Project) -> datetime:
    """As it is told to whoever holds the lease."""
    return timezone.now() + timedelta(minutes=project.lease_minutes)


def stored_lease_end(project: Project) -> CombinedExpression:
    """By the database's clock, which ends all leases: that of a web server may be another one."""
    return Now() + timedelta(minutes=project.lease_minutes)


@transaction.atomic
def renew_lease(project: Project, labeler: User, token: uuid.UUID) -> datetime | None:
    """Until when the labeler may go on with this assignment; None when it is no longer theirs.

    A lease that ran out is renewed too as long as nobody else took the assignment.
    """
    held = Assignment.objects.filter(project=project, labeler=labeler, is_done=False)
    runs_out = stored_lease_end(project)
    assignment = held.filter(token=token).first()
    if assignment is None or not _change(assignment, expires_at=runs_out):
        return None
    held.exclude(token=token).update(expires_at=runs_out)
    return lease_end(project)


@transaction.atomic
def give_back(project: Project, labeler: User) -> None:
    """Frees what the labeler holds, so that somebody else may rank it."""
    Assignment.objects.filter(project=project, labeler=labeler, is_done=False).update(**FREED)


def give_back_ahead(labeler: User) -> None:
    """Frees what was leased ahead in any project: for whoever stops working."""
    ahead = Assignment.objects.filter(labeler=labeler, is_done=False, leased_at__isnull=True)
    ahead.update(**FREED)


@transaction.atomic
def skip_group(labeler: User, token: uuid.UUID, reason: str) -> Skip | None:
    """Frees the assignment at once and never hands the group to this labeler again.

    None when the lease is gone already.
    """
    assignment = assignment_under(labeler, token)
    if assignment is None or assignment.is_done:
        return None
    skip, _is_new = Skip.objects.get_or_create(
        group_id=assignment.group_id, labeler=labeler, defaults={"reason": reason}
    )
    Assignment.objects.filter(pk=assignment.pk, token=token, is_done=False).update(**FREED)
    return skip


@transaction.atomic
def undo_skip(project: Project, labeler: User, skip_id: int) -> bool:
    """The group may be handed to the labeler again; whether it is in work at once.

    Not when somebody else has taken it, or when it was withdrawn. Pressed twice, it is done once.
    """
    lock_user(labeler)
    skip = Skip.objects.filter(labeler=labeler, group__project=project, pk=skip_id).first()
    if skip is None:
        return True
    skip.delete()
    of_group = to_lease(labeler.pk, project.pk, project.overlap).filter(group=skip.group_id)
    assignment = of_group.select_for_update(skip_locked=True, of=("self",)).first()
    if assignment is None or not _is_still_free(project, labeler, assignment):
        return False
    return _show(project, _lease(project, labeler, assignment))


@transaction.atomic
def fit_assignments(project: Project, group: PromptGroup | None = None) -> None:
    """Brings the groups that are ready, or the one given, to the project's overlap.

    No held or done assignment is lost: a group that has more of them than the overlap keeps those.
    """
    groups = project.groups.filter(status=PromptGroup.Status.READY)
    if group is not None:
        groups = project.groups.filter(pk=group.pk)
    Assignment.objects.bulk_create(
        (
            Assignment(project=project, group_id=group_id, number=number)
            for group_id in groups.values_list("id", flat=True)
            for number in range(project.overlap)
        ),
        batch_size=1000,
        ignore_conflicts=True,
    )
    surplus_of(groups, project.overlap).delete()
