"""Intervals by resampling: what is measured on some prompts, for prompts like them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 4000
TAIL = 2.5  # percent on each side


def interval(
    sums: NDArray[np.float64], counts: NDArray[np.float64] | None = None, seed: int = 0
) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of a mean, whole prompts resampled (Efron and
    Tibshirani 1993, chapters 8 and 13).

    Each prompt has a sum over so many, one without `counts`; what is said of one prompt is not
    independent. Draws without any count are left out.
    """
    counts = np.ones(len(sums)) if counts is None else counts
    draws = np.random.default_rng(seed).integers(len(sums), size=(RESAMPLES, len(sums)))
    drawn = counts[draws].sum(1)
    means = sums[draws].sum(1)[drawn > 0] / drawn[drawn > 0]
    low, high = np.percentile(means, [TAIL, 100 - TAIL])
    return float(low), float(high)
