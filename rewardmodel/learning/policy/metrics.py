"""How a policy's held-out answers fare, and the gate it must pass to serve."""

from __future__ import annotations

from dataclasses import dataclass

from rewardmodel.learning.core.gate import Gate, Reason, as_said


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
    if not new.kl <= kl_budget:  # nor where it is NaN
        verdict = Reason.REWARD_OVER_BUDGET
    elif not as_said(new.reward) > as_said(parent.reward):
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
