"""Reading webhooks, what they were sent, and what is to be sent now."""

from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from annotation.models import Delivery, Project, Webhook
from annotation.selectors.claims import run_out

PAUSES = [
    timedelta(seconds=5),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(hours=12),
    timedelta(hours=24),
]
"""After the first attempt that failed, after the second, and so on; then it is given up."""


def webhooks_of(project: Project) -> QuerySet[Webhook]:
    """The newest first."""
    return project.webhooks.select_related("made_by")


def deliveries_of(webhook: Webhook) -> QuerySet[Delivery]:
    """The log: the newest first."""
    return webhook.deliveries.order_by("-id")


def due_deliveries() -> QuerySet[Delivery]:
    """To be sent now, and in nobody's hands; what was due first stands first."""
    now = timezone.now()
    free = Q(claim__isnull=True) | run_out()
    waiting = Delivery.objects.filter(free, status=Delivery.Status.WAITING)
    awake = Q(webhook__rests_until__isnull=True) | _come("webhook__rests_until", now)
    due = waiting.filter(_come("due_at", now), awake, webhook__is_active=True)
    return due.order_by("due_at", "id")


def _come(field: str, now: datetime) -> Q:
    """One further away than any pause was set before the clock was set back."""
    return Q(**{f"{field}__lte": now}) | Q(**{f"{field}__gt": now + 2 * PAUSES[-1]})
