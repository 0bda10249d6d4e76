"""Real connections at once: exact overlap, no group handed out twice to one labeler."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from annotation.judgment.judgment import Judgment
from annotation.models import Assignment, Project, Ranking, User
from annotation.services.assignments import give_back, take_ahead, take_assignment
from annotation.services.rankings import LeaseGone, submit_ranking
from tests.annotation.desk import set_overlap
from tests.people import answer_everything, ask, member, ready_group

LABELERS = 50
GROUPS = 200
OVERLAP = 3
WORK_AHEAD = 5


def rank_all(project: Project, labeler: User, is_ahead: bool) -> None:
    try:
        while (assignment := take_assignment(project, labeler)) is not None:
            if is_ahead:
                take_ahead(project, labeler)
            ranks = {position: position + 1 for position in assignment.shown_order}
            assert assignment.token is not None
            submit_ranking(labeler, Judgment(ranks), token=assignment.token)
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_many_labelers_at_once_give_exactly_the_overlap(project: Project) -> None:
    project.overlap, project.queue_target = OVERLAP, GROUPS
    project.save()
    ask(project, *(f"Question {number}?" for number in range(GROUPS)))
    answer_everything(project)
    people = [member(project, f"labeler-{number}") for number in range(LABELERS)]
    with ThreadPoolExecutor(LABELERS) as pool:
        done = [
            pool.submit(rank_all, project, person, is_ahead=number < WORK_AHEAD)
            for number, person in enumerate(people)
        ]
    for one in done:
        one.result()
    assert Ranking.objects.count() == GROUPS * OVERLAP
    per_group = Counter(Ranking.objects.values_list("group", flat=True))
    assert set(per_group.values()) == {OVERLAP}
    assert max(Counter(Ranking.objects.values_list("group", "labeler")).values()) == 1
    assert not Assignment.objects.filter(is_done=False).exists()


def rank_all_whatever_is_refused(project: Project, labeler: User) -> None:
    try:
        while (assignment := take_assignment(project, labeler)) is not None:
            ranks = {position: position + 1 for position in assignment.shown_order}
            assert assignment.token is not None
            with suppress(LeaseGone):
                submit_ranking(labeler, Judgment(ranks), token=assignment.token)
    finally:
        connection.close()


def let_leases_run_out(done: threading.Event) -> None:
    try:
        while not done.wait(0.02):
            at_work = Assignment.objects.filter(is_done=False, labeler__isnull=False)
            at_work.update(expires_at=timezone.now() - timedelta(seconds=1))
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_leases_that_run_out_all_the_time_never_exceed_the_overlap(project: Project) -> None:
    project.overlap, project.queue_target = OVERLAP, 60
    project.save()
    ask(project, *(f"Question {number}?" for number in range(60)))
    answer_everything(project)
    people = [member(project, f"labeler-{number}") for number in range(12)]
    done = threading.Event()
    with ThreadPoolExecutor(len(people) + 1) as pool:
        clock = pool.submit(let_leases_run_out, done)
        working = [pool.submit(rank_all_whatever_is_refused, project, person) for person in people]
        for one in working:
            one.result()
        done.set()
        clock.result()
    per_group = Counter(Ranking.objects.values_list("group", flat=True))
    assert set(per_group.values()) == {OVERLAP}
    assert len(per_group) == 60
    assert max(Counter(Ranking.objects.values_list("group", "labeler")).values()) == 1


def take_one(project: Project, labeler: User) -> None:
    assert take_assignment(project, labeler) is not None


@pytest.mark.django_db(transaction=True)
def test_people_who_come_at_once_never_exceed_an_overlap_that_was_lowered(project: Project) -> None:
    groups = project.queue_target = 10
    set_overlap(project, OVERLAP)
    ask(project, *(f"Question {number}?" for number in range(groups)))
    answer_everything(project)
    people = [member(project, f"labeler-{number}") for number in range(groups * OVERLAP)]
    for person in people:
        take_one(project, person)
    set_overlap(project, 1)  # all are held, and stay
    for person in people:
        give_back(project, person)
    with ThreadPoolExecutor(len(people)) as pool:
        working = [pool.submit(rank_all, project, person, is_ahead=False) for person in people]
    for one in working:
        one.result()
    per_group = Counter(Ranking.objects.values_list("group", flat=True))
    assert list(per_group.values()) == [1] * groups


@pytest.mark.django_db(transaction=True)
def test_lowering_the_overlap_takes_nothing_away_from_who_is_just_taking_it(
    project: Project, labeler: User
) -> None:
    set_overlap(project, 2)
    group = ready_group(project)
    take_one(project, member(project, "other"))

    def lower() -> None:
        try:
            set_overlap(Project.objects.get(pk=project.pk), 1)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            take_one(project, labeler)
            lowering = pool.submit(lower)
            time.sleep(0.5)
        lowering.result()
    assert group.assignments.filter(labeler=labeler).exists()
