"""How a policy's held-out answers fare, and the gate it must pass to serve."""

from __future__ import annotations

from dataclasses import dataclass

from rewardmodel.learning.core.gate import Code, Gate, Verdict, as_said


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
    parent: PolicyMetrics, new: PolicyMetrics, kl_budget: float, stopped: Verdict | None = None
) -> Gate:
    """A policy serves when held-out reward rose and it stayed within the divergence budget.

    `stopped` says why training ended early, if it did; what was kept is judged all the same.
    """
    if not new.kl <= kl_budget:  # nor where it is NaN
        code = Code.POLICY_OVER_BUDGET
    elif not as_said(new.reward) > as_said(parent.reward):
        code = Code.POLICY_NO_GAIN
    else:
        code = Code.POLICY_GAIN
    values: dict[str, float | Verdict] = {
        "before": parent.reward,
        "after": new.reward,
        "divergence": new.kl,
        "budget": kl_budget,
    }
    if stopped:
        values["stopped"] = stopped
    return Gate(code == Code.POLICY_GAIN, Verdict(code, values))
