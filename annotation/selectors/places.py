"""Which places a labeler may take: the rule lives here and nowhere else."""

import uuid

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from annotation.models import Place, Ranking, Skip, User


def held_by(labeler: User) -> QuerySet[Place]:
    """Places leased to the labeler: the one in work first, one leased ahead last."""
    held = Place.objects.filter(labeler=labeler, is_done=False)
    return held.order_by(F("leased_at").desc(nulls_last=True), "id")


def free_for(labeler: User) -> QuerySet[Place]:
    """Places that are free or whose lease ran out, of groups this labeler has no part in."""
    same_group = {"group": OuterRef("group"), "labeler": labeler}
    free = Place.objects.filter(
        Q(labeler__isnull=True) | Q(expires_at__lt=timezone.now()), is_done=False
    )
    return (
        free.exclude(Exists(Place.objects.filter(**same_group)))
        .exclude(Exists(Ranking.objects.filter(is_current=True, **same_group)))
        .exclude(Exists(Skip.objects.filter(**same_group)))
        .order_by("group_id", "number")
    )


def shown_order_of(labeler: User, token: uuid.UUID) -> list[int]:
    """Answer positions in the order in which this lease showed them; empty when it is gone."""
    place = Place.objects.filter(labeler=labeler, token=token).only("shown_order").first()
    return list(place.shown_order) if place else []
