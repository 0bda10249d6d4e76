"""What a labeler does at the desk, in one line each."""

import uuid
from collections.abc import Mapping
from datetime import timedelta

from django.utils import timezone

from annotation.judgment.judgment import Details
from annotation.models import Place, Project, Ranking, User
from annotation.services.places import take_place
from annotation.services.rankings import submit_ranking

BEST_FIRST = {0: 1, 1: 2, 2: 3}


def take(project: Project, labeler: User) -> tuple[Place, uuid.UUID]:
    place = take_place(project, labeler)
    assert place is not None
    assert place.token is not None
    return place, place.token


def rank(
    project: Project, labeler: User, ranks: Mapping[int, int] = BEST_FIRST, **details: object
) -> Ranking:
    _place, token = take(project, labeler)
    return submit_ranking(labeler, token, ranks, details=Details(**details))  # type: ignore[arg-type]


def expire(**which: object) -> None:
    Place.objects.filter(**which).update(expires_at=timezone.now() - timedelta(seconds=1))
