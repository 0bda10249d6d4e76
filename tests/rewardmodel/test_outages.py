"""What a training needs is away for a while: it waits, or does without."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connection

from annotation.models import PolicyVersion, Project
from annotation.services.comparisons import start_comparison
from rewardmodel.services import start_reward_run
from rewardmodel.services.judging import cancel_judging, resume_judging, start_judging
from rewardmodel.services.supervision import supervise
from tests.people import champion, serving_reward_model
from tests.rewardmodel.runs import attempts

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_database_that_is_away_for_a_while_stops_no_training(learnable: Project) -> None:
    run = start_reward_run(learnable)
    with database_away_after_the_first_step(seconds=6) as refused:
        supervise(run.pk)
    assert len(refused) > 3
    run.refresh_from_db()
    assert run.status == run.Status.SUCCEEDED, run.reason
    assert run.produced_reward_model is not None
    assert len(attempts(run)) == 1


def test_a_run_waits_for_a_broker(ranked: Project, no_broker: None) -> None:
    run = start_reward_run(ranked)
    run.refresh_from_db()
    assert run.status == run.Status.QUEUED


def test_a_comparison_and_its_judge_wait_for_a_broker(
    project: Project, candidate: PolicyVersion, no_broker: None
) -> None:
    comparison = start_comparison(project, champion(project), candidate)
    assert comparison.groups.exists()
    judging = start_judging(comparison, serving_reward_model(project), more=0)
    cancel_judging(judging)
    resume_judging(judging)
    judging.refresh_from_db()
    assert judging.status == judging.Status.RUNNING


@contextmanager
def database_away_after_the_first_step(seconds: float) -> Iterator[list[str]]:
    """Refuses every query for that long, as a database does that is restarted."""
    refused: list[str] = []
    until: list[float] = []

    def execute(send: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if sql.startswith("UPDATE") and '"furthest_step"' in sql and not until:
            until.append(time.monotonic() + seconds)
        if until and time.monotonic() < until[0]:
            refused.append(sql)
            raise OperationalError("the connection is closed")
        return send(sql, params, many, context)

    with connection.execute_wrapper(execute):
        yield refused
