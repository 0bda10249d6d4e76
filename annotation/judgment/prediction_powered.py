"""How often one of two is preferred, from a few prompts that people judged and many that only a
judge model did: prediction-powered inference, arXiv 2301.09633, with the power of arXiv 2311.01453.

Of n prompts with people's word y and the judge's f, and N others with its word g alone, the share
is mean(y) + power (mean(g) - mean(f)): whatever the judge gets wrong on average is measured where
people judged, and taken out. A power of 0 leaves people's mean; the one taken here makes the
interval shortest. A prompt counts once, however many people judged it, so prompts are what the
interval is over.

Where people are few, a normal interval is too short, and of no length at all where they all say
the same. So it is taken as if there were four prompts more, two won and two lost (Agresti & Coull
1998), of which the judge knows nothing. It holds for one look, unlike that of `win_rate`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, covariance, fmean, variance

CONFIDENCE = 0.95
DEVIATIONS = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
FOUR_MORE = (1.0, 1.0, 0.0, 0.0)


@dataclass(frozen=True)
class Estimate:
    """A share, with the ends of its interval, from so many prompts."""

    share: float
    low: float
    high: float
    prompts: int


def share_of(said: Sequence[float]) -> Estimate:
    """Of prompts that all were judged alike: 1 where the second won, 0 where the first did, one
    half for neither, or a chance in between."""
    more = (*said, *FOUR_MORE)
    return _estimate(fmean(said), fmean(more), variance(more) / len(more), len(said))


def combined_share(
    people: Sequence[float],
    judge: Sequence[float],
    judge_alone: Sequence[float],
    power: float | None = None,
) -> Estimate:
    """`people` and `judge` on the same prompts, `judge_alone` on at least two others."""
    if power is None:
        power = best_power(people, judge, judge_alone)
    corrected = [said - power * guess for said, guess in zip(people, judge, strict=True)]
    unguessed = power * fmean(judge)
    more = (*corrected, *(said - unguessed for said in FOUR_MORE))
    spread = variance(more) / len(more) + power**2 * variance(judge_alone) / len(judge_alone)
    beyond = power * fmean(judge_alone)
    prompts = len(people) + len(judge_alone)
    return _estimate(fmean(corrected) + beyond, fmean(more) + beyond, spread, prompts)


def best_power(
    people: Sequence[float], judge: Sequence[float], judge_alone: Sequence[float]
) -> float:
    """Of all from 0 to 1 that of the shortest interval, arXiv 2311.01453, example 6.1: 0 for a
    judge whose word says nothing of people's, near 1 for one who says the same."""
    guesses = variance((*judge, *judge_alone))
    if len(people) < 2 or not guesses:
        return 0.0
    found = covariance(people, judge) / (1 + len(people) / len(judge_alone)) / guesses
    return min(1.0, max(0.0, found))


def _estimate(share: float, middle: float, spread: float, prompts: int) -> Estimate:
    """`middle` and the variance `spread` are those of the interval."""
    reach = DEVIATIONS * spread**0.5
    low, high = max(0.0, middle - reach), min(1.0, middle + reach)
    return Estimate(min(1.0, max(0.0, share)), low, high, prompts)
