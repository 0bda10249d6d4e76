"""Which long uploads are at work, and what is shown of them."""

from datetime import timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from annotation.models import Project, PromptUpload

CLAIM = timedelta(seconds=60)
SHOWN = 5


def free_uploads() -> QuerySet[PromptUpload]:
    """At work, but in nobody's hands: between two turns, or left by a worker that died.

    A claim that lasts longer than any was made before the clock was set back.
    """
    now = timezone.now()
    is_over = Q(claimed_until__lt=now) | Q(claimed_until__gt=now + 2 * CLAIM)
    unclaimed = Q(claim__isnull=True)
    return PromptUpload.objects.filter(unclaimed | is_over, status__in=PromptUpload.ACTIVE)


def uploads_of(project: Project) -> list[PromptUpload]:
    """The newest first."""
    return list(project.uploads.all()[:SHOWN])
