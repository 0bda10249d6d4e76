"""What a labeler does at the desk, in one line each."""

import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.utils import timezone

from annotation.judgment.judgment import Judgment
from annotation.models import Assignment, Project, Ranking, User
from annotation.services.assignments import fit_assignments, take_assignment
from annotation.services.rankings import submit_ranking

BEST_FIRST = {0: 1, 1: 2, 2: 3}


def take(project: Project, labeler: User) -> tuple[Assignment, uuid.UUID]:
    assignment = take_assignment(project, labeler)
    assert assignment is not None
    assert assignment.token is not None
    return assignment, assignment.token


def rank(
    project: Project, labeler: User, ranks: Mapping[int, int] = BEST_FIRST, **said: Any
) -> Ranking:
    _assignment, token = take(project, labeler)
    return submit_ranking(labeler, Judgment(ranks, **said), token=token)


def expire(**which: object) -> None:
    Assignment.objects.filter(**which).update(expires_at=timezone.now() - timedelta(seconds=1))


def set_overlap(project: Project, overlap: int) -> None:
    project.overlap = overlap
    project.save()
    fit_assignments(project)
