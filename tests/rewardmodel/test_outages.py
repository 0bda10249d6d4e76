"""What a training needs is away for a while: it waits, or does without."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connection

from annotation.models import Project
from rewardmodel.services import start_reward_run
from rewardmodel.services.supervision import supervise
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
