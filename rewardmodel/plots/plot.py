"""Marks and lines in a box, with the table that they were drawn from."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

WIDTH, HEIGHT = 320, 160
MOST_LISTED = 50  # rows
SMALL, LARGE = 2.0, 7.0  # radii of marks

Metrics = Mapping[str, Any]


@dataclass(frozen=True)
class Mark:
    """A point, in what the axes count; `size` from 0 to 1, and what stands beside it."""

    x: float
    y: float
    size: float = 0.3
    label: str = ""


@dataclass(frozen=True)
class Series:
    """Marks that belong together, joined by a line or not; each has a look of its own by `look`,
    which is 0 for what was before, 1 for what is, 2 for what stands beside."""

    name: str
    look: int
    marks: Sequence[Mark]
    is_line: bool = False
    has_marks: bool = True


@dataclass(frozen=True)
class Plot:
    """`columns` are those of the table, by their names in the CSV file."""

    slug: str
    title: str
    x: str
    y: str
    series: Sequence[Series]
    columns: Mapping[str, str]
    rows: Sequence[Sequence[Any]]
    note: str = ""
    span_x: tuple[float, float] | None = None
    span_y: tuple[float, float] | None = None
    spans: tuple[tuple[float, float], tuple[float, float]] = field(init=False)

    def __post_init__(self) -> None:
        marks = [mark for series in self.series for mark in series.marks]
        found = tuple(
            given or span([getattr(mark, axis) for mark in marks])
            for axis, given in (("x", self.span_x), ("y", self.span_y))
        )
        object.__setattr__(self, "spans", found)

    def placed(self, mark: Mark) -> tuple[float, float]:
        """In a WIDTH by HEIGHT box, upwards."""
        (left, right), (low, high) = self.spans
        x = WIDTH * (mark.x - left) / ((right - left) or 1)
        y = HEIGHT * (high - mark.y) / ((high - low) or 1)
        return round(x, 1), round(y, 1)

    @property
    def drawn(self) -> list[dict[str, Any]]:
        """Each series as the template draws it."""
        found = []
        for series in self.series:
            points = [self.placed(mark) for mark in series.marks]
            radii = [round(SMALL + (LARGE - SMALL) * mark.size, 1) for mark in series.marks]
            labels = [mark.label for mark in series.marks]
            found.append(
                {
                    "look": series.look,
                    "name": series.name,
                    "line": " ".join(f"{x},{y}" for x, y in points) if series.is_line else "",
                    "marks": [
                        {"x": x, "y": y, "radius": radius, "label": label}
                        for (x, y), radius, label in zip(points, radii, labels, strict=True)
                        if series.has_marks
                    ],
                }
            )
        return found

    @property
    def listed(self) -> Sequence[Sequence[Any]]:
        """The rows that the page's table has."""
        return self.rows[:MOST_LISTED]

    @property
    def unlisted(self) -> int:
        return len(self.rows) - len(self.listed)

    @property
    def csv(self) -> str:
        buffer = io.StringIO()
        writer = csv.writer(buffer)
        writer.writerow(self.columns)
        writer.writerows(self.rows)
        return buffer.getvalue()


def span(values: Iterable[float]) -> tuple[float, float]:
    """From the smallest to the largest; a little around where they are one."""
    found = list(values) or [0.0]
    low, high = min(found), max(found)
    return (low, high) if high > low else (low - 0.5, high + 0.5)
