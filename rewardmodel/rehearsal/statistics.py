"""How a teacher's scores of two policies compare; without Django."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rewardmodel.learning.core.bootstrap import interval

LENGTH_BINS = 5
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A mean with the ends of its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


def bootstrap(values: Scores, seed: int = 0) -> Interval:
    """Mean of `values` [prompts, answers] with a percentile interval over resampled prompts.

    Answers to one prompt are not independent, so whole prompts are drawn (cluster bootstrap,
    Efron and Tibshirani 1993, chapter 8).
    """
    return _ratio(values.sum(axis=1), np.full(len(values), values.shape[1], dtype=float), seed)


def win_interval(new: Scores, base: Scores, seed: int = 0) -> Interval:
    """The chance that a random answer of `new` beats one of `base` to the same prompt, a tie
    counting one half; its interval is over resampled prompts."""
    return bootstrap(_wins(new, base).reshape(len(new), -1), seed)


def win_at_equal_length(
    new: Scores, base: Scores, new_lengths: Scores, base_lengths: Scores, seed: int = 0
) -> Interval | None:
    """`win_interval` over comparisons of answers of about the same length, None without any.

    About the same: in the same of LENGTH_BINS parts of all lengths, each of as many answers. What
    is left of a win rate then is not that one policy writes shorter, or longer, answers.
    """
    edges = np.quantile(
        np.concatenate([new_lengths, base_lengths]), np.linspace(0, 1, LENGTH_BINS + 1)[1:-1]
    )
    bins = [np.digitize(lengths, edges) for lengths in (new_lengths, base_lengths)]
    alike = (bins[0][:, :, None] == bins[1][:, None, :]).reshape(len(new), -1)
    if not alike.any():
        return None
    wins = _wins(new, base).reshape(len(new), -1)
    return _ratio((wins * alike).sum(axis=1), alike.sum(axis=1).astype(float), seed)


def _wins(new: Scores, base: Scores) -> NDArray[np.float64]:
    """[prompts, answers of new, answers of base]: 1, 0, or one half."""
    differences = new[:, :, None] - base[:, None, :]
    wins: NDArray[np.float64] = (differences > 0) + 0.5 * (differences == 0)
    return wins


def _ratio(sums: Scores, counts: Scores, seed: int) -> Interval:
    """The mean over all, and its interval over resampled prompts, of which each has a sum and a
    count."""
    low, high = interval(sums, counts, seed)
    return Interval(float(sums.sum() / counts.sum()), low, high)


def median_and_range(values: list[float], written: Callable[[float], str] = "{:.3f}".format) -> str:
    """Such as ".714 (.71 to .72)"; one value alone, a dash for none."""
    if not values:
        return "–"
    middle = written(float(np.median(values)))
    if len(values) == 1:
        return middle
    return f"{middle} ({written(min(values))} to {written(max(values))})"
