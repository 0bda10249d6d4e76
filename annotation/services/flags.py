"""Words from labelers to the admins about a prompt."""

import uuid

from django.db import transaction
from django.utils import timezone

from annotation.models import Flag, User
from annotation.selectors.assignments import assignment_under
from annotation.services.assignments import lock_user


@transaction.atomic
def flag_prompt(labeler: User, token: uuid.UUID, text: str) -> Flag | None:
    """Tells the admins about the prompt of the group that is leased under `token`.

    Sent twice before it is resolved, it is one flag.
    """
    lock_user(labeler)
    assignment = assignment_under(labeler, token)
    if assignment is None:
        return None
    flag, _is_new = Flag.objects.get_or_create(
        project_id=assignment.project_id,
        prompt_id=assignment.group.prompt_id,
        labeler=labeler,
        text=text,
        resolved_at=None,
    )
    return flag


def resolve_flag(flag: Flag, by: User) -> None:
    """Sent twice, the first time counts."""
    if flag.resolved_at is not None:
        return
    flag.resolved_at, flag.resolved_by = timezone.now(), by
    flag.save(update_fields=["resolved_at", "resolved_by"])
