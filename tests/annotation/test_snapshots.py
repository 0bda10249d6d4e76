import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from annotation.judgment.judgment import Judgment
from annotation.models import Project, Ranking, Snapshot, User
from annotation.services.assignments import take_assignment
from annotation.services.rankings import submit_ranking
from annotation.services.snapshots import discard, take_groups_snapshot, take_prompts_snapshot
from tests.annotation.desk import rank
from tests.people import answer_everything, ask, member


def rank_all(project: Project, labeler: User) -> None:
    while (assignment := take_assignment(project, labeler)) is not None:
        assert assignment.token is not None
        submit_ranking(
            labeler, Judgment({p: p + 1 for p in assignment.shown_order}), token=assignment.token
        )


def test_the_same_judgments_give_the_same_bytes(project: Project, labeler: User) -> None:
    ask(project, "a", "b")
    answer_everything(project)
    rank_all(project, labeler)
    first, second = take_groups_snapshot(project), take_groups_snapshot(project)
    assert first.sha256 == second.sha256
    assert first.file.read_bytes() == second.file.read_bytes()
    assert (first.rows, first.rankings) == (2, 2)


def test_a_new_ranking_makes_another_snapshot_and_leaves_the_old_one(
    project: Project, labeler: User
) -> None:
    project.overlap = 2
    project.save()
    ask(project, "a")
    answer_everything(project)
    rank_all(project, labeler)
    before = take_groups_snapshot(project)
    content = before.file.read_bytes()
    rank_all(project, member(project, "other"))
    after = take_groups_snapshot(project)
    assert after.sha256 != before.sha256
    assert before.file.read_bytes() == content


def test_a_row_holds_prompt_answers_split_and_each_labelers_ranks(
    project: Project, labeler: User
) -> None:
    ask(project, "a")
    answer_everything(project)
    rank_all(project, labeler)
    [row] = map(json.loads, take_groups_snapshot(project).file.read_text().splitlines())
    assert row["prompt"] == [{"role": "user", "content": "a"}]
    assert row["answers"][0] == "Answer **0** in full."
    assert row["split"] in ("train", "heldout")
    assert row["rankings"] == [{"labeler": f"labeler-{labeler.pk}", "ranks": [1, 2, 3]}]
    assert row["sources"] == [{"policy": 0}] * 3


def test_groups_that_nobody_ranked_are_not_in_it(project: Project, labeler: User) -> None:
    ask(project, "a", "b")
    answer_everything(project)
    assignment = take_assignment(project, labeler)
    assert assignment is not None
    assert assignment.token is not None
    submit_ranking(labeler, Judgment({0: 1, 1: 2, 2: 3}), token=assignment.token)
    assert take_groups_snapshot(project).rows == 1


def test_the_prompts_snapshot_names_each_prompts_split(project: Project) -> None:
    ask(project, *(f"Question {number}?" for number in range(30)))
    rows = list(map(json.loads, take_prompts_snapshot(project).file.read_text().splitlines()))
    assert {row["split"] for row in rows} == {"train", "heldout"}
    assert len(rows) == 30


@pytest.mark.django_db(transaction=True)
def test_while_a_snapshot_is_written_people_go_on_and_it_stays_of_one_moment(
    project: Project, labeler: User
) -> None:
    ask(project, "a", "b", "c")
    answer_everything(project)
    for _ in range(2):
        rank(project, labeler)
    before = take_groups_snapshot(project)

    def change_what_is_being_read() -> None:
        try:
            rank(project, labeler)
            Ranking.objects.update(is_current=False)
        finally:
            connection.close()

    with while_answers_are_read(change_what_is_being_read):
        during = take_groups_snapshot(project)
    assert Ranking.objects.count() == 3
    assert not Ranking.objects.filter(is_current=True).exists()
    assert (during.sha256, during.rankings) == (before.sha256, 2)


@contextmanager
def while_answers_are_read(act: Callable[[], None]) -> Iterator[None]:
    """Acts once in another thread, and waits for it, when answers are read first."""
    acts = [act]

    def execute(send: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if acts and 'FROM "annotation_answer"' in sql:
            thread = threading.Thread(target=acts.pop())
            thread.start()
            thread.join(10)
            assert not thread.is_alive(), "it waits for the snapshot"
        return send(sql, params, many, context)

    with connection.execute_wrapper(execute):
        yield
    assert not acts


@pytest.mark.django_db(transaction=True)
def test_one_taken_while_another_of_the_same_bytes_is_discarded_keeps_its_file(
    project: Project,
) -> None:
    ask(project, "a")
    discarded = take_prompts_snapshot(project)
    others: list[threading.Thread] = []

    def take_the_same() -> None:
        take_prompts_snapshot(project)
        connection.close()

    def execute(send: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        found = send(sql, params, many, context)
        if sql.startswith("SELECT") and '"annotation_snapshot"."path" = ' in sql:
            others.append(threading.Thread(target=take_the_same))
            others[0].start()
            others[0].join(1)  # or it waits
        return found

    with connection.execute_wrapper(execute):
        discard(discarded)
    others[0].join(10)
    assert Snapshot.objects.get().is_there
