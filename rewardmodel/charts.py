"""The course of a run as line charts, made on the server from the run's progress file."""

import math
from dataclasses import dataclass, replace

from rewardmodel.curves import curves_of
from rewardmodel.models import LiveHead, TrainingRun

WIDTH, HEIGHT = 320, 120
MOST_POINTS = 400


@dataclass(frozen=True)
class Chart:
    """One metric over the steps: the line in a WIDTH by HEIGHT box, and what its ends are."""

    name: str
    points: str
    end_x: float
    end_y: float
    lowest: float
    highest: float
    last: float
    first_step: int
    last_step: int
    over: str = "steps"  # or "rankings"


def charts_of(run: TrainingRun) -> list[Chart]:
    """A chart for each metric that training reported at two or more steps."""
    return [_chart(name, values) for name, values in curves_of(run).items() if len(values) > 1]


def charts_of_live(live: LiveHead) -> list[Chart]:
    """How well the head that follows the rankings predicts, over their number."""
    charts = []
    for name in ("accuracy", "log_loss", "calibration_error"):
        known = {p["rankings"]: p[name] for p in live.history if p[name] is not None}
        if len(known) > 1:
            charts.append(replace(_chart(name, known), over="rankings"))
    return charts


def _chart(name: str, values: dict[int, float]) -> Chart:
    steps = sorted(values)[:: max(1, math.ceil(len(values) / MOST_POINTS))]
    lowest, highest = min(values.values()), max(values.values())
    span, length = (highest - lowest) or 1.0, (steps[-1] - steps[0]) or 1
    points = [
        (
            round(WIDTH * (step - steps[0]) / length, 1),
            round(HEIGHT * (highest - values[step]) / span, 1),
        )
        for step in steps
    ]
    return Chart(
        name=name,
        points=" ".join(f"{x},{y}" for x, y in points),
        end_x=points[-1][0],
        end_y=points[-1][1],
        lowest=lowest,
        highest=highest,
        last=values[steps[-1]],
        first_step=steps[0],
        last_step=steps[-1],
    )
