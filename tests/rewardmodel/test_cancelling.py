from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

from annotation.models import Project
from rewardmodel.models import TrainingRun
from rewardmodel.services import request_cancel, start_reward_run
from rewardmodel.services.claims import claim_run


def test_cancelling_a_queued_run_ends_it_at_once(ranked: Project) -> None:
    run = start_reward_run(ranked)
    request_cancel(run)
    assert claim_run(run.pk) is None
    assert start_reward_run(ranked).pk != run.pk


def test_a_run_that_is_claimed_while_it_is_cancelled_is_still_stopped(ranked: Project) -> None:
    run = start_reward_run(ranked)
    with after_the_first_update(lambda: claim_run(run.pk)):
        request_cancel(run)
    run.refresh_from_db()
    assert run.status == TrainingRun.Status.RUNNING
    assert run.cancel_requested_at is not None


@contextmanager
def after_the_first_update(act: Callable[[], object]) -> Iterator[None]:
    """Acts once, as another process might, between the first update and what follows it."""
    acts = [act]

    def execute(send: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        found = send(sql, params, many, context)
        if sql.startswith("UPDATE") and acts:
            acts.pop()()
        return found

    with connection.execute_wrapper(execute):
        yield
    assert not acts
