"""What a run reported along the way: from its progress file to series over steps."""

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

from rewardmodel.models import TrainingRun

CHARTED_PHASE = "training"
CSV_FIELDS = ("run", "phase", "step", "seconds", "metric", "value")


def curves_of(run: TrainingRun) -> dict[str, dict[int, float]]:
    """Each metric that training reported, by step."""
    series: dict[str, dict[int, float]] = {}
    for line, name, value in _reported(run):
        if line["phase"] == CHARTED_PHASE:
            series.setdefault(name, {})[line["step"]] = value
    return series


def csv_of(runs: Iterable[TrainingRun]) -> Iterator[str]:
    """Everything that the runs reported, a value a row; seconds since the run's first report."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(CSV_FIELDS)
    for run in runs:
        begun: float | None = None
        for line, name, value in _reported(run):
            begun = line["time"] if begun is None else begun
            seconds = round(line["time"] - begun, 3)
            writer.writerow([run.pk, line["phase"], line["step"], seconds, name, value])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def _reported(run: TrainingRun) -> Iterator[tuple[dict[str, Any], str, float]]:
    """Line by line each finite number with its name; a line that is said again, once."""
    last: dict[str, Any] = {}
    for line in progress_lines(run):
        said = {key: value for key, value in line.items() if key != "time"}
        if said == last:
            continue
        last = said
        for name, value in line.get("metrics", {}).items():
            if isinstance(value, int | float) and math.isfinite(value):
                yield line, name, float(value)


def progress_lines(run: TrainingRun) -> Iterator[dict[str, Any]]:
    """All that it reported, the oldest first."""
    file = run.folder / "progress.jsonl"
    if not file.is_file():
        return
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:  # the last line, while it is being written
            continue
