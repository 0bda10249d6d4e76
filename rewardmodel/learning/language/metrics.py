"""How well a language model predicts, and the gate it must pass to serve."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from rewardmodel.learning.core.bootstrap import FEWEST, deciding_interval, more_to_tell
from rewardmodel.learning.core.codes import Code
from rewardmodel.learning.core.gate import Gate, Verdict, as_said

CONTINUED = (Code.LANGUAGE_GAIN, Code.LANGUAGE_NO_GAIN, Code.LANGUAGE_UNDECIDED)
FROM_SCRATCH = (
    Code.LANGUAGE_BELOW_ENTROPY,
    Code.LANGUAGE_NOT_BELOW_ENTROPY,
    Code.LANGUAGE_ENTROPY_UNDECIDED,
)


@dataclass(frozen=True)
class LanguageMetrics:
    """How well a model predicts held-out tokens.

    `loss` is the mean of -log p(next token) in nats, `perplexity` its exponential,
    `next_token_entropy` the mean entropy of the distribution over each token, nats: what the loss
    would be if the model were right about its doubt. All are None without tokens.
    """

    tokens: int
    loss: float | None
    perplexity: float | None
    next_token_entropy: float | None = None


def language_metrics(
    sums: Sequence[float], tokens: int, entropy: float | None = None
) -> LanguageMetrics:
    """From each held-out example's sum of -log p, and the sum of all entropies if it is known, over
    `tokens` tokens in all."""
    if not tokens:
        return LanguageMetrics(0, None, None)
    loss = sum(sums) / tokens
    mean = None if entropy is None else entropy / tokens
    return LanguageMetrics(tokens, loss, math.exp(min(loss, 700.0)), mean)


def unigram_entropy(counts: Iterable[int]) -> float:
    """Nats a token of the tokens counted: the least loss of any model that ignores context.

    -sum p log p with p the tokens' own frequencies (Shannon 1948, section 6).
    """
    seen = [count for count in counts if count]
    total = sum(seen)
    return -sum(count / total * math.log(count / total) for count in seen)


def sums_of(units: Sequence[Hashable], values: Sequence[float]) -> list[float]:
    """One sum a unit, from the values of its examples."""
    sums = dict.fromkeys(units, 0.0)
    for unit, value in zip(units, values, strict=True):
        sums[unit] += value
    return list(sums.values())


def language_gate(
    parent: Sequence[float] | None,
    new: Sequence[float],
    counts: Sequence[float],
    entropy: float | None,
) -> Gate:
    """A language model serves when the interval of how far its held-out loss fell lies above 0;
    one from scratch, without parent, when it does so below the unigram entropy of the same tokens.

    Both are each held-out unit's sum over so many tokens: of a whole prompt, document or stretch of
    text, since what lies within one falls together. One without tokens says nothing.
    """
    said = np.array(counts) > 0
    tokens = np.array(counts, dtype=np.float64)[said]
    if not len(tokens):
        return Gate(False, Verdict(Code.NO_HELDOUT_TEXT))
    if parent is None and entropy is None:
        return Gate(False, Verdict(Code.NO_UNIGRAM_ENTROPY))
    before = (entropy or 0.0) * tokens if parent is None else np.array(parent)[said]
    after = np.array(new)[said]
    fell = before - after
    old, loss = (float(sums.sum() / tokens.sum()) for sums in (before, after))
    low, high = deciding_interval(fell, tokens) if math.isfinite(loss) else (math.nan, math.nan)
    gain = old - loss
    values = {"before": old, "after": loss} if parent else {"loss": loss, "entropy": old}
    values |= {"gain": gain, "low": low, "high": high}
    passed, failed, undecided = FROM_SCRATCH if parent is None else CONTINUED
    if not as_said(loss) < as_said(old):  # nor where it is NaN
        return Gate(False, Verdict(failed, values))
    if len(tokens) < FEWEST or not as_said(low) > 0:
        more = more_to_tell(len(tokens), gain, gain - low)
        return Gate(False, Verdict(undecided, {**values, "more": more}))
    return Gate(True, Verdict(passed, values))
