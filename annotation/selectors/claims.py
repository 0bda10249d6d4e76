"""For how long a worker's claim holds, and when it is over."""

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

CLAIM = timedelta(seconds=60)


def run_out() -> Q:
    """Rows whose claim is over; one that lasts longer than any was made before the clock was set
    back."""
    now = timezone.now()
    return Q(claimed_until__lt=now) | Q(claimed_until__gt=now + 2 * CLAIM)
