"""Intervals by resampling: what is measured on some prompts, for prompts like them."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 4000
TAIL = 2.5  # percent on each side of an interval that describes
DECIDING_TAIL = 0.5  # of one that decides
FEWEST = 5
"""Fewer decide nothing."""
DOUBT_COUNTED = 1.0
"""Deviations of what measured: it is held to be right five times in six (docs/learning.md)."""


def interval(
    sums: NDArray[np.float64], counts: NDArray[np.float64] | None = None, seed: int = 0
) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of a mean, whole prompts resampled (Efron and
    Tibshirani 1993, chapters 8 and 13): it describes, and is too short where prompts are few.

    Each prompt has a sum over so many, one without `counts`; what is said of one prompt is not
    independent. Draws without any count are left out.
    """
    counts = np.ones(len(sums)) if counts is None else counts
    draws = np.random.default_rng(seed).integers(len(sums), size=(RESAMPLES, len(sums)))
    drawn = counts[draws].sum(1)
    means = sums[draws].sum(1)[drawn > 0] / drawn[drawn > 0]
    low, high = np.percentile(means, [TAIL, 100 - TAIL])
    return float(low), float(high)


def deciding_interval(
    sums: NDArray[np.float64], counts: NDArray[np.float64] | None = None, seed: int = 0
) -> tuple[float, float]:
    """The 99 % interval of a mean by which gates decide: as `interval`, with every count above 0.

    It is the wider, on each side, of Student's t with the jackknife's error (Efron and Tibshirani
    1993, chapters 11 and 12) and of the bootstrap-t (there, section 12.5), which follows how skewed
    the prompts are, and says nothing of draws that are all alike. One prompt has no spread.
    """
    counts = np.ones(len(sums)) if counts is None else counts
    count, total = len(sums), counts.sum()
    mean = float(sums.sum() / total)
    if count < 2:
        return mean, mean
    rests = sums - mean * counts
    without = rests / (total - counts)  # how far the mean moves without each
    error = math.sqrt((count - 1) / count * ((without - without.mean()) ** 2).sum())
    reach = student_quantile(count - 1) * error
    least, most = _studentised(rests, counts, seed)
    own = math.sqrt((rests**2).sum()) / total
    return min(mean - reach, mean - most * own), max(mean + reach, mean - least * own)


def _studentised(
    rests: NDArray[np.float64], counts: NDArray[np.float64], seed: int
) -> tuple[float, float]:
    """Both ends of the resampled means, each in its own standard errors; the mean is 0."""
    count = len(rests)
    generator = np.random.default_rng(seed)
    places = generator.integers(count, size=(RESAMPLES, count))
    places += count * np.arange(RESAMPLES)[:, None]
    often = np.bincount(places.ravel(), minlength=places.size).reshape(places.shape)
    drawn = often.astype(np.float64)
    totals = drawn @ counts
    means = drawn @ rests / totals
    squares = drawn @ rests**2 - 2 * means * (drawn @ (rests * counts))
    squares += means**2 * (drawn @ counts**2)
    errors = np.sqrt(np.maximum(squares, 0)) / totals
    varied = errors > 1e-6 * errors.max()
    if not varied.any():
        return 0.0, 0.0
    ends = np.percentile(means[varied] / errors[varied], [DECIDING_TAIL, 100 - DECIDING_TAIL])
    return float(ends[0]), float(ends[1])


@cache
def student_quantile(freedom: int) -> float:
    """What Student's t with so many degrees of freedom exceeds in DECIDING_TAIL of cases.

    With t = sqrt(freedom) tan(angle) its density is that of cos(angle) ** (freedom - 1).
    """
    angles = np.linspace(-math.pi / 2, math.pi / 2, 200_001)
    chances = np.cumsum(np.cos(angles) ** (freedom - 1))
    place = np.searchsorted(chances, (1 - DECIDING_TAIL / 100) * chances[-1])
    return math.sqrt(freedom) * math.tan(angles[place])


def with_doubt(mean: float, ends: tuple[float, float], deviation: float) -> tuple[float, float]:
    """The deciding interval of a mean that is off twice: by its units, for which it has these
    `ends`, and by an independent error of whatever measured them, of that deviation.

    Variances add, so that the reaches do in squares, on each side by its own (Zou and Donner,
    Statistics in Medicine 27, 2008).
    """
    reach, (low, high) = DOUBT_COUNTED * deviation, ends
    return mean - math.hypot(mean - low, reach), mean + math.hypot(high - mean, reach)


def more_to_tell(units: int, distance: float, reach: float) -> int:
    """How many more units like these would tell a mean from what it is `distance` away from, where
    its interval reaches `reach`; as many again where there is no distance yet."""
    if not distance > 0:
        return max(units, FEWEST - units)
    needed = math.ceil(units * min(reach / distance, 1e3) ** 2) - units
    return max(1, FEWEST - units, min(needed, 9 * units))
