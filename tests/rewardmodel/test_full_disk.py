"""A disk without room: a run says so, keeps its checkpoint, and goes on when there is room."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pytest_django import Settings

from annotation.models import Project
from bench.disk import Disk
from config import space
from rewardmodel.learning.core.codes import Code
from rewardmodel.models import TrainingRun
from rewardmodel.selectors import SILENCE, runs_to_pick_up
from rewardmodel.services import RunRefused, request_cancel, start_reward_run
from rewardmodel.services.supervision import supervise
from tests.disks import disk  # noqa: F401
from tests.rewardmodel.runs import went_on
from tests.worker import wait_for

pytestmark = pytest.mark.django_db(transaction=True)
Status = TrainingRun.Status


@pytest.fixture
def small(
    disk: Disk,  # noqa: F811
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> Disk:
    """The disk holds the var folder, but not the tests' database."""
    settings.VAR_FOLDER = disk.root
    monkeypatch.setattr(space, "RESERVE", 1_000_000)
    return disk


@contextmanager
def filled_after_the_first_checkpoint(disk: Disk, run: TrainingRun) -> Iterator[None]:  # noqa: F811
    """Less is free from then on than half a checkpoint."""
    checkpoints = run.folder / "checkpoints"

    def fill() -> None:
        wait_for(lambda: any(checkpoints.glob("step-*")))
        [newest, *_] = checkpoints.glob("step-*/tensors.safetensors")
        disk.fill(leave=newest.stat().st_size // 2)

    filling = threading.Thread(target=fill)
    filling.start()
    yield
    filling.join()


def waits_for_room(run: TrainingRun) -> bool:
    return run.reason is not None and run.reason["code"] == Code.WAITS_FOR_ROOM


# The least of reserves lets the training meet the full disk itself. None would also wait for no
# more room than there is, which ext4 may find a little of by itself.
@pytest.mark.parametrize(
    "reserve", [2_000_000, 100_000], ids=["seen coming", "met by the training"]
)
def test_a_run_on_a_full_disk_waits_with_its_checkpoint_and_goes_on_when_there_is_room(
    learnable: Project, small: Disk, monkeypatch: pytest.MonkeyPatch, reserve: int
) -> None:
    monkeypatch.setattr(space, "RESERVE", reserve)
    run = start_reward_run(learnable)
    with filled_after_the_first_checkpoint(small, run):
        supervise(run.pk)
    run.refresh_from_db()
    assert (run.status, run.attempts) == (Status.QUEUED, 0), run.reason
    assert waits_for_room(run)
    assert list((run.folder / "checkpoints").glob("step-*/state.json"))
    assert not list((run.folder / "checkpoints").glob(".*"))

    TrainingRun.objects.update(created_at=run.created_at - SILENCE)
    assert runs_to_pick_up() == []
    supervise(run.pk)  # a message that comes early changes nothing
    run.refresh_from_db()
    assert run.status == Status.QUEUED

    (small.root / "ballast").unlink()
    assert runs_to_pick_up() == [run.pk]
    supervise(run.pk)
    run.refresh_from_db()
    assert run.status == Status.SUCCEEDED, run.reason
    assert went_on(run)


def test_a_run_that_waits_for_room_can_be_cancelled(learnable: Project, small: Disk) -> None:
    run = start_reward_run(learnable)
    small.fill()
    supervise(run.pk)
    run.refresh_from_db()
    assert waits_for_room(run)
    request_cancel(run)
    run.refresh_from_db()
    assert (run.status, run.reason) == (Status.CANCELLED, None)


def test_starting_a_run_on_a_full_disk_is_refused_in_a_sentence(
    learnable: Project, small: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.fill()
    with pytest.raises(RunRefused, match="The disk is full: 0 MB are free"):
        start_reward_run(learnable)
    monkeypatch.setattr(space, "RESERVE", 0)  # what was free is taken while the snapshot is written
    with pytest.raises(RunRefused, match="The disk is full"):
        start_reward_run(learnable)
    assert not list((small.root / "snapshots").rglob("*.partial"))
    assert not TrainingRun.objects.exists()
