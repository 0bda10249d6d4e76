"""Held-out metrics, and the gates that a new version must pass to serve."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor

from rewardmodel.learning.calibration import calibration_error, reliability
from rewardmodel.learning.losses import strict_votes, tied_votes, vote_hits, vote_log_loss
from rewardmodel.learning.reasons import Reason


@dataclass(frozen=True)
class Gate:
    """Whether a version may serve, and why, as a sentence."""

    passed: bool
    reason: str


@dataclass(frozen=True)
class PreferenceMetrics:
    """How well scores agree with rankings. A pair is one labeler's strict preference.

    `accuracy` is the share of pairs ordered alike, `log_loss` the mean of
    -log sigmoid(r_better - r_worse) over pairs (ln 2 is chance), `calibration_error` how far
    confidence and accuracy lie apart; all are None without pairs. `ties` counts the comparisons
    that a labeler left undecided, `tie_confidence` is the mean sigmoid(|r_i - r_j|) over them (one
    half is perfect), None without ties.
    """

    groups: int
    pairs: int
    accuracy: float | None
    log_loss: float | None
    calibration_error: float | None = None
    ties: int = 0
    tie_confidence: float | None = None


def preference_metrics(
    scores: Sequence[Tensor], rankings: Sequence[Sequence[Sequence[int]]]
) -> PreferenceMetrics:
    """`scores` holds [K] a group, `rankings` each group's ranks by labeler; ties stand apart."""
    votes = [strict_votes(group) for group in rankings]
    pairs = sum(each.sum().item() for each in votes)
    hits = sum(vote_hits(s, v).item() for s, v in zip(scores, votes, strict=True))
    loss = sum(vote_log_loss(s, v).item() for s, v in zip(scores, votes, strict=True))
    ties = tie_confidence = 0.0
    for group_scores, group_rankings in zip(scores, rankings, strict=True):
        tied = tied_votes(group_rankings)
        ties += tied.sum().item()
        distances = (group_scores[:, None] - group_scores[None, :]).abs()
        tie_confidence += (tied * distances.sigmoid()).sum().item()
    return PreferenceMetrics(
        groups=len(scores),
        pairs=round(pairs),
        accuracy=hits / pairs if pairs else None,
        log_loss=loss / pairs if pairs else None,
        calibration_error=calibration_error(reliability(scores, votes)),
        ties=round(ties),
        tie_confidence=tie_confidence / ties if ties else None,
    )


def reward_gate(heldout: PreferenceMetrics) -> Gate:
    """A reward model serves when it predicts held-out pairs better than a coin."""
    if heldout.accuracy is None or heldout.log_loss is None:
        return Gate(False, Reason.NO_HELDOUT_PAIR.value)
    passed = heldout.log_loss < math.log(2)
    verdict = Reason.BELOW_CHANCE if passed else Reason.NOT_BELOW_CHANCE
    loss, accuracy = f"{heldout.log_loss:.3f}", f"{heldout.accuracy:.2f}"
    return Gate(passed, verdict % {"loss": loss, "pairs": heldout.pairs, "accuracy": accuracy})


@dataclass(frozen=True)
class PolicyMetrics:
    """A policy's answers to the held-out prompts.

    `reward` is the mean normalised reward less the penalty for missing ends, `score` the same
    before the penalty, `kl` the mean divergence from the reference in nats an answer, `ended` the
    share of answers that end by themselves, `tokens` their mean length.
    """

    answers: int
    reward: float
    score: float
    kl: float
    ended: float
    tokens: float


def policy_gate(
    parent: PolicyMetrics, new: PolicyMetrics, kl_budget: float, stopped: str | None = None
) -> Gate:
    """A policy serves when held-out reward rose and it stayed within the divergence budget.

    `stopped` says why training ended early, if it did; what was kept is judged all the same.
    """
    if new.kl > kl_budget:
        verdict = Reason.REWARD_OVER_BUDGET
    elif new.reward <= parent.reward:
        verdict = Reason.REWARD_NO_GAIN
    else:
        verdict = Reason.REWARD_ROSE
    reason = verdict % {
        "before": f"{parent.reward:.3f}",
        "after": f"{new.reward:.3f}",
        "divergence": f"{new.kl:z.1f}",
        "budget": f"{kl_budget:g}",
    }
    if stopped:
        reason = Reason.AND_STOPPED % {"verdict": reason, "stopped": stopped}
    return Gate(verdict == Reason.REWARD_ROSE, reason)


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
        return Gate(False, Reason.NO_HELDOUT_TEXT.value)
    if parent is not None and parent.loss is not None:
        fell = new.loss < parent.loss
        change = Reason.LOSS_FELL if fell else Reason.LOSS_NO_GAIN
        before, after = f"{parent.loss:.3f}", f"{new.loss:.3f}"
        return Gate(fell, change % {"before": before, "after": after})
    if entropy is None:
        return Gate(False, Reason.NO_ENTROPY.value)
    below = new.loss < entropy
    verdict = Reason.BELOW_ENTROPY if below else Reason.NOT_BELOW_ENTROPY
    return Gate(below, verdict % {"loss": f"{new.loss:.3f}", "entropy": f"{entropy:.3f}"})
