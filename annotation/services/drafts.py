"""Keeping judgments that are still under way."""

import uuid

from django.db import transaction
from django.utils import timezone

from annotation.judgment.fields import Content, reordered
from annotation.models import Assignment, Draft, User
from annotation.selectors.assignments import drafts_of


@transaction.atomic
def save_draft(labeler: User, token: uuid.UUID, content: Content) -> bool:
    """Keeps the form's fields for the group that is or was leased under `token`.

    False when the group was never this labeler's, or was submitted since.
    """
    assignment = Assignment.objects.filter(token=token, labeler=labeler, is_done=False).first()
    if assignment is None:
        draft = Draft.objects.filter(token=token, labeler=labeler).first()
    else:
        draft = draft_of_assignment(assignment, labeler.pk, token)
    if draft is None:
        return False
    # A submit that crosses this one deletes the draft: then there is nothing to keep any more.
    kept = Draft.objects.filter(pk=draft.pk)
    return bool(kept.update(content=content, updated_at=timezone.now()))


def draft_for(assignment: Assignment) -> Content | None:
    """What the assignment's labeler said of the group so far, by the order shown now."""
    if assignment.labeler_id is None:
        return None
    drafts = drafts_of(assignment.group_id, assignment.labeler_id)
    found = [
        reordered(draft.content, draft.shown_order, assignment.shown_order) for draft in drafts
    ]
    return found[0] if found else None


def draft_of_assignment(assignment: Assignment, labeler_id: int, token: uuid.UUID) -> Draft:
    """The draft of whoever holds the assignment under `token`, brought to the order shown now."""
    draft, is_new = Draft.objects.get_or_create(
        group_id=assignment.group_id,
        labeler_id=labeler_id,
        defaults={"token": token, "shown_order": assignment.shown_order},
    )
    if not is_new and draft.token != token:
        draft.content = reordered(draft.content, draft.shown_order, assignment.shown_order)
        draft.token, draft.shown_order = token, assignment.shown_order
        draft.save()
    return draft
