"""How long a run still takes, told from what it reported."""

import json
import time
from pathlib import Path

import pytest
from pytest_django import Settings

from annotation.models import Project
from rewardmodel.models import TrainingRun
from rewardmodel.pace import minutes_left, phases_of, seconds_left
from rewardmodel.selectors import loop_status
from rewardmodel.selectors.next_steps import upcoming
from rewardmodel.services import start_reward_run
from tests.rewardmodel.runs import claimed

Told = tuple[float, str, int, int]  # seconds ago, phase, step, total


@pytest.fixture
def run(ranked: Project, settings: Settings, tmp_path: Path) -> TrainingRun:
    settings.VAR_FOLDER = tmp_path
    return claimed(start_reward_run(ranked))


def tell(run: TrainingRun, *told: Told) -> None:
    run.folder.mkdir(parents=True, exist_ok=True)
    now = time.time()
    lines = [
        {"time": now - ago, "phase": phase, "step": step, "total": total, "metrics": {}}
        for ago, phase, step, total in told
    ]
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    (run.folder / "progress.jsonl").write_text(text)


def steps(*, each: float, done: int, total: int, ago: float = 0) -> list[Told]:
    return [(ago + each * (done - step), "training", step, total) for step in range(1, done + 1)]


def test_what_is_left_follows_from_the_steps_so_far(run: TrainingRun) -> None:
    tell(run, (1000, "loading", 0, 1), *steps(each=60, done=4, total=16))
    assert seconds_left(run) == pytest.approx(12 * 60, abs=2)
    assert minutes_left(run) == 12


def test_nothing_is_said_before_some_steps_were_made(run: TrainingRun) -> None:
    assert seconds_left(run) is None
    tell(run, (500, "loading", 0, 1), *steps(each=60, done=3, total=16))
    assert seconds_left(run) is None


def test_loading_does_not_count_as_a_step(run: TrainingRun) -> None:
    tell(run, (9000, "loading", 0, 1), *steps(each=1, done=5, total=10))
    assert seconds_left(run) == pytest.approx(5, abs=2)


def test_sampling_between_steps_counts_with_them(run: TrainingRun) -> None:
    told = [
        line
        for step in range(6)
        for line in (
            (60.0 * (6 - step), "sampling", step, 10),
            (60.0 * (6 - step) - 40, "training", step, 10),
        )
    ]
    tell(run, (500, "loading", 0, 1), *told, (0, "sampling", 6, 10))
    assert seconds_left(run) == pytest.approx(4 * 60 + 40, abs=62)


def test_only_the_last_attempt_counts(run: TrainingRun) -> None:
    earlier = steps(each=1, done=8, total=20, ago=5000)
    tell(run, *earlier, (300, "loading", 0, 1), *steps(each=60, done=4, total=20)[1:])
    assert seconds_left(run) is None
    tell(run, *earlier, (300, "loading", 0, 1), *steps(each=60, done=5, total=20)[1:])
    assert seconds_left(run) == pytest.approx(15 * 60, abs=2)


def test_after_the_last_step_nothing_more_is_promised(run: TrainingRun) -> None:
    tell(run, *steps(each=5, done=10, total=10))
    assert seconds_left(run) is None


def test_reading_has_a_pace_of_its_own(run: TrainingRun) -> None:
    tell(run, *((10 * (5 - n), "reading", n, 20) for n in range(1, 6)))
    assert seconds_left(run) == pytest.approx(150, abs=2)


def test_a_run_that_ended_has_nothing_left(run: TrainingRun) -> None:
    tell(run, *steps(each=60, done=4, total=16))
    run.status = TrainingRun.Status.CANCELLED
    assert seconds_left(run) is None


def test_a_line_that_is_being_written_breaks_nothing(run: TrainingRun) -> None:
    tell(run, *steps(each=60, done=4, total=16))
    with (run.folder / "progress.jsonl").open("a") as file:
        file.write('{"time": 1')
    assert minutes_left(run) == 12


def test_the_overview_says_until_when_the_worker_is_busy(run: TrainingRun) -> None:
    tell(run, *steps(each=60, done=4, total=16))
    step = upcoming(run.project, loop_status(run.project))[0]
    assert step.at is not None
    assert step.at.timestamp() == pytest.approx(time.time() + 12 * 60, abs=62)
    assert step.at.second == 0


def test_the_phases_of_a_run_are_told_with_their_time(run: TrainingRun) -> None:
    tell(
        run,
        *((100, "loading", 0, 1), (90, "evaluating", 0, 1), (80, "training", 1, 4)),
        *((70, "evaluating", 1, 4), (60, "training", 2, 4), (40, "training", 4, 4)),
        *((30, "evaluating", 0, 2), (10, "saving", 0, 1)),
    )
    told = [(phase.name, round(phase.seconds)) for phase in phases_of(run)]
    assert told == [
        *(("loading", 10), ("evaluating", 10), ("training", 50), ("evaluating", 20)),
        ("saving", 0),
    ]


def test_a_run_without_a_report_has_no_phases(run: TrainingRun) -> None:
    assert phases_of(run) == []
