from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from annotation.models import Project
from rewardmodel.models import TrainingRun
from rewardmodel.selectors import KEPT
from rewardmodel.services import RunRefused, go_on_with, request_cancel, start_reward_run
from rewardmodel.services.claims import claim_run, is_to_be_cancelled
from rewardmodel.services.cleaning import clean_up
from rewardmodel.services.outcomes import cancel_run
from tests.rewardmodel.runs import claimed


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


def test_a_cancelled_run_keeps_its_checkpoints_and_is_queued_again_as_it_was(
    ranked: Project, settings: Settings, tmp_path: Path
) -> None:
    settings.VAR_FOLDER = tmp_path
    run = claimed(start_reward_run(ranked))
    checkpoint = run.folder / "checkpoints" / "step-5"
    checkpoint.mkdir(parents=True)
    request_cancel(run)
    cancel_run(run)
    clean_up()
    assert checkpoint.is_dir()
    go_on_with(run)
    again = claimed(run)
    assert again.config == run.config
    assert not is_to_be_cancelled(again)


def test_a_run_that_was_cancelled_long_ago_does_not_go_on_and_leaves_no_checkpoint(
    ranked: Project, settings: Settings, tmp_path: Path
) -> None:
    settings.VAR_FOLDER = tmp_path
    run = start_reward_run(ranked)
    request_cancel(run)
    (run.folder / "checkpoints").mkdir(parents=True)
    TrainingRun.objects.update(finished_at=timezone.now() - KEPT)
    assert run.folder / "checkpoints" in clean_up()
    with pytest.raises(RunRefused, match="kept for a week"):
        go_on_with(run)


def test_a_cancelled_run_does_not_go_on_beside_another_one(ranked: Project) -> None:
    run = start_reward_run(ranked)
    request_cancel(run)
    start_reward_run(ranked)
    with pytest.raises(RunRefused, match="wait until it ends"):
        go_on_with(run)


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
