"""Words from labelers to the admins about a prompt."""

import uuid

from django.utils import timezone

from annotation.models import Flag, User
from annotation.selectors.assignments import assignment_under


def flag_prompt(labeler: User, token: uuid.UUID, text: str) -> Flag | None:
    """Tells the admins about the prompt of the group that is leased under `token`."""
    assignment = assignment_under(labeler, token)
    if assignment is None:
        return None
    return Flag.objects.create(
        project_id=assignment.project_id,
        prompt_id=assignment.group.prompt_id,
        labeler=labeler,
        text=text,
    )


def resolve_flag(flag: Flag, by: User) -> None:
    flag.resolved_at, flag.resolved_by = timezone.now(), by
    flag.save(update_fields=["resolved_at", "resolved_by"])
