"""Held-out metrics, and the gates that a new version must pass to serve."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor

from rewardmodel.learning.calibration import calibration_error, reliability
from rewardmodel.learning.losses import strict_votes, tied_votes, vote_hits, vote_log_loss


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
        return Gate(False, "No held-out pair to judge by: rank more prompts.")
    passed = heldout.log_loss < math.log(2)
    verdict = "below" if passed else "not below"
    return Gate(
        passed,
        f"Held-out log loss {heldout.log_loss:.3f} over {heldout.pairs} pairs is {verdict} "
        f"chance (0.693); accuracy {heldout.accuracy:.2f}.",
    )


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
    change = (
        f"Held-out reward went from {parent.reward:.3f} to {new.reward:.3f} "
        f"at a divergence of {new.kl:.1f} nats"
    )
    early = f" Training {stopped}." if stopped else ""
    if new.kl > kl_budget:
        return Gate(False, f"{change}, over the budget of {kl_budget:g}.{early}")
    if new.reward <= parent.reward:
        return Gate(False, f"{change}: no gain.{early}")
    return Gate(True, f"{change}, within the budget of {kl_budget:g}.{early}")


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
        return Gate(False, "No held-out text to judge by: add text.")
    if parent is not None and parent.loss is not None:
        fell = new.loss < parent.loss
        return Gate(
            fell,
            f"Held-out loss went from {parent.loss:.3f} to {new.loss:.3f} nats a token"
            f"{'.' if fell else ': no gain.'}",
        )
    if entropy is None:
        return Gate(False, "No unigram entropy to judge by.")
    verdict = "below" if new.loss < entropy else "not below"
    return Gate(
        new.loss < entropy,
        f"Held-out loss {new.loss:.3f} is {verdict} {entropy:.3f}, the unigram entropy of the "
        "same tokens (nats a token).",
    )
