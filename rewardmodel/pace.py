"""How far a run is and how long it still takes, from what it reported along the way."""

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewardmodel.curves import progress_lines
from rewardmodel.models import TrainingRun

Line = Mapping[str, Any]
TAIL = 256_000  # bytes of the file: an hour and more of reports
ENOUGH = 4  # steps that ended, before anything is said of those to come
LOOP = {"training", "sampling", "evaluating"}
"""What steps of training are made of: between two of them a policy answers, or is judged."""


@dataclass(frozen=True)
class Phase:
    """A stretch of a run."""

    name: str
    seconds: float


def seconds_left(run: TrainingRun) -> float | None:
    """Of the phase that the run is in, if its steps go on as they went; None where it has made too
    few of them to say."""
    return _left(list(_newest_lines(run))) if run.status == TrainingRun.Status.RUNNING else None


def minutes_left(run: TrainingRun | None) -> int | None:
    """The same for people: whole minutes, one at least."""
    left = seconds_left(run) if run else None
    return None if left is None else max(1, round(left / 60))


def phases_of(run: TrainingRun) -> list[Phase]:
    """Of the last attempt, in order; what alternates with the steps of training is one phase with
    them."""
    lines = _last_attempt(list(progress_lines(run)))
    began: list[tuple[str, float]] = []
    for line, name in zip(lines, _names(lines), strict=True):
        if not began or name != began[-1][0]:
            began.append((name, line["time"]))
    ends = [*(at for _, at in began[1:]), *(line["time"] for line in lines[-1:])]
    return [Phase(name, end - at) for (name, at), end in zip(began, ends, strict=True)]


def _names(lines: Sequence[Line]) -> Iterator[str]:
    """The phase of each line, training from its first step to its last."""
    trained = [line for line in lines if line["phase"] == "training"]
    steps = trained[0]["total"] if trained else None
    end = next((line["time"] for line in trained if _ends_training(line)), math.inf)
    for line in lines:
        is_step = line["phase"] in LOOP and line["total"] == steps and line["time"] <= end
        yield "training" if is_step else line["phase"]


def _ends_training(line: Line) -> bool:
    return bool(line["phase"] == "training" and line["step"] >= line["total"])


def _left(lines: Sequence[Line]) -> float | None:
    """Seconds until the last step of the present phase."""
    attempt = _last_attempt(lines)
    if not attempt:
        return None
    phase = attempt[-1]["phase"]
    trained = [line for line in attempt if line["phase"] == "training"]
    if phase in LOOP and trained and not any(map(_ends_training, trained)):
        phase = "training"
    ended: dict[int, float] = {}  # a step's number: when it was first said to be done
    for line in attempt:
        if line["phase"] == phase:
            ended.setdefault(line["step"], line["time"])
    total: int = next(line["total"] for line in reversed(attempt) if line["phase"] == phase)
    steps = sorted(ended)
    if len(steps) < ENOUGH or steps[-1] >= total:
        return None
    first, last = steps[0], steps[-1]
    each: float = (ended[last] - ended[first]) / (last - first)
    after_this = each * (total - last - 1)
    return max(after_this + each - (time.time() - ended[last]), after_this)


def _last_attempt(lines: Sequence[Line]) -> Sequence[Line]:
    """From where it was started last: it begins by loading."""
    starts = [
        place
        for place, line in enumerate(lines)
        if line["phase"] == "loading" and (place == 0 or lines[place - 1]["phase"] != "loading")
    ]
    return lines[starts[-1] :] if starts else lines


def _newest_lines(run: TrainingRun) -> Iterator[Line]:
    """Of the end of its file."""
    file = run.folder / "progress.jsonl"
    if not file.is_file():
        return
    with file.open("rb") as report:
        report.seek(max(0, file.stat().st_size - TAIL))
        for text in report.read().splitlines():
            try:
                yield json.loads(text)
            except ValueError:  # the first and the last one of what was read may be parts
                continue
