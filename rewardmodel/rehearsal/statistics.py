"""How a teacher's scores of two policies compare; without Django."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000


@dataclass(frozen=True)
class Interval:
    """A mean with the ends of its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


def bootstrap(values: NDArray[np.float64], seed: int = 0) -> Interval:
    """Mean of `values` [prompts, answers] with a percentile interval over resampled prompts.

    Answers to one prompt are not independent, so whole prompts are drawn (cluster bootstrap,
    Efron and Tibshirani 1993, chapter 8).
    """
    by_prompt = values.mean(axis=1)
    draws = np.random.default_rng(seed).integers(len(by_prompt), size=(RESAMPLES, len(by_prompt)))
    low, high = np.percentile(by_prompt[draws].mean(axis=1), [2.5, 97.5])
    return Interval(float(by_prompt.mean()), float(low), float(high))


def win_rate(new: NDArray[np.float64], base: NDArray[np.float64]) -> float:
    """The chance that a random answer of `new` beats one of `base` to the same prompt."""
    differences = new[:, :, None] - base[:, None, :]
    return float(((differences > 0) + 0.5 * (differences == 0)).mean())
