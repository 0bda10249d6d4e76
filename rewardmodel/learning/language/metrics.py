"""How well a language model predicts, and the gate it must pass to serve."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from rewardmodel.learning.core.gate import Code, Gate, Verdict, as_said


@dataclass(frozen=True)
class LanguageMetrics:
    """How well a model predicts held-out tokens.

    `loss` is the mean of -log p(next token) in nats, `perplexity` its exponential; both are None
    without tokens.
    """

    tokens: int
    loss: float | None
    perplexity: float | None


def language_metrics(loss_sum: float, tokens: int) -> LanguageMetrics:
    """From the sum of -log p over `tokens` tokens."""
    if not tokens:
        return LanguageMetrics(0, None, None)
    loss = loss_sum / tokens
    return LanguageMetrics(tokens, loss, math.exp(min(loss, 700.0)))


def unigram_entropy(counts: Iterable[int]) -> float:
    """Nats a token of the tokens counted: the least loss of any model that ignores context.

    -sum p log p with p the tokens' own frequencies (Shannon 1948, section 6).
    """
    seen = [count for count in counts if count]
    total = sum(seen)
    return -sum(count / total * math.log(count / total) for count in seen)


def language_gate(
    parent: LanguageMetrics | None, new: LanguageMetrics, entropy: float | None
) -> Gate:
    """A language model serves when its held-out loss fell.

    One from scratch, without parent, when its loss is below the unigram entropy of the same
    tokens.
    """
    if new.loss is None:
        return Gate(False, Verdict(Code.NO_HELDOUT_TEXT))
    if parent is not None and parent.loss is not None:
        fell = as_said(new.loss) < as_said(parent.loss)
        code = Code.LANGUAGE_GAIN if fell else Code.LANGUAGE_NO_GAIN
        return Gate(fell, Verdict(code, {"before": parent.loss, "after": new.loss}))
    if entropy is None:
        return Gate(False, Verdict(Code.NO_UNIGRAM_ENTROPY))
    below = as_said(new.loss) < as_said(entropy)
    code = Code.LANGUAGE_BELOW_ENTROPY if below else Code.LANGUAGE_NOT_BELOW_ENTROPY
    return Gate(below, Verdict(code, {"loss": new.loss, "entropy": entropy}))
