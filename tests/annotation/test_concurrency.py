"""Real connections at once: exact overlap, no group handed out twice to one labeler."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from annotation.judgment.judgment import Judgment
from annotation.models import Assignment, Project, Ranking, User
from annotation.services.assignments import take_ahead, take_assignment
from annotation.services.rankings import submit_ranking
from tests.people import answer_everything, ask, member

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
