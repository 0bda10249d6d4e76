"""How the loss falls with the number of rankings: a curve through what was measured so far."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

CHANCE = math.log(2)
FEWEST_POINTS = 3
SMALLEST = 10  # rankings; what fewer teach is mostly luck
SPAN = 3  # times as many rankings at the last point as at the first


@dataclass(frozen=True)
class LossCurve:
    """loss(n) = floor + slope / sqrt(n), in nats a pair after n rankings: a power law above what
    cannot be learned (arXiv 1712.00409; reviewed in arXiv 2103.10948), with a known exponent, since
    few points do not tell it. `last` is the largest n of those that it was fitted to."""

    floor: float
    slope: float
    last: float

    def loss(self, rankings: float) -> float:
        return self.floor + self.slope / math.sqrt(rankings)

    def growth(self, missing: float) -> float:
        """How many times as many rankings as `last`, until the evidence against chance is
        `missing` more: that is n (ln 2 - loss(n)), in nats a pair that was held out at `last`.
        Infinite where the curve never falls below chance.

        With s = sqrt(n / last) it is the larger root of a quadratic equation.
        """
        depth, bend = CHANCE - self.floor, self.slope / math.sqrt(self.last)
        if depth <= 0:
            return math.inf
        root = math.sqrt((bend - 2 * depth) ** 2 + 4 * depth * missing)
        return ((bend + root) / (2 * depth)) ** 2


def fitted_curve(points: Iterable[tuple[float, float | None]]) -> LossCurve | None:
    """Through (rankings, log loss), by least squares with neither floor nor slope below 0; None
    where there are too few points, or all of about as many rankings.

    A point weighs as much as it has rankings, by whose number the variance of a mean falls.
    """
    known = {n: loss for n, loss in points if loss is not None and n >= SMALLEST}
    if len(known) < FEWEST_POINTS or max(known) < SPAN * min(known):
        return None
    last, total = max(known), sum(known)
    mean_x = sum(math.sqrt(n) for n in known) / total  # x is 1 / sqrt(n)
    mean_y = sum(n * loss for n, loss in known.items()) / total
    covariance = sum(n * (n**-0.5 - mean_x) * (loss - mean_y) for n, loss in known.items())
    slope = covariance / sum(n * (n**-0.5 - mean_x) ** 2 for n in known)
    if slope < 0:
        return LossCurve(mean_y, 0.0, last)
    floor = mean_y - slope * mean_x
    if floor < 0:  # the best on the edge: a line through 0
        through = sum(math.sqrt(n) * loss for n, loss in known.items()) / len(known)
        return LossCurve(0.0, through, last)
    return LossCurve(floor, slope, last)
