"""How a policy's held-out answers fare, and the gate it must pass to serve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from rewardmodel.learning.core.bootstrap import interval
from rewardmodel.learning.core.gate import Code, Gate, Verdict, as_said

if TYPE_CHECKING:
    from rewardmodel.learning.policy.rollout import Experience

ENDS_MAY_FALL = 0.1
"""How much of the answers may stop to end by themselves, before that alone shuts the gate."""


@dataclass(frozen=True)
class PolicyMetrics:
    """A policy's answers to the held-out prompts.

    `reward` is the mean normalised reward less the penalty for missing ends, `score` the same
    before the penalty, `kl` the mean divergence from the reference in nats an answer, `ended` the
    share of answers that end by themselves, `tokens` their mean length. `of_length` is what of the
    score a head on known features gives to the length alone, `kl_per_token` the divergence a token.
    """

    answers: int
    reward: float
    score: float
    kl: float
    ended: float
    tokens: float
    of_length: float = 0.0
    kl_per_token: float = 0.0


def summarise(experiences: Sequence[Experience]) -> Float[Tensor, 7]:
    """Sums over answers of what PolicyMetrics averages, in its order."""
    sums = torch.zeros(7)
    for experience in experiences:
        rollouts = experience.rollouts
        sums += torch.tensor(
            [
                len(experience.lengths),
                sum(float(r.rewards.sum()) for r in rollouts),
                sum(float(r.scores.sum()) for r in rollouts),
                float(experience.divergence.sum()),
                sum(float(r.ended.sum()) for r in rollouts),
                sum(experience.lengths),
                sum(float(r.of_length.sum()) for r in rollouts),
            ]
        )
    return sums


def metrics_of(sums: Float[Tensor, 7]) -> PolicyMetrics:
    """The means of `summarise`'s sums, which may come from several processes."""
    answers, *totals = sums.tolist()
    reward, score, kl, ended, tokens, of_length = (total / answers for total in totals)
    per_token = kl / tokens if tokens else 0.0
    return PolicyMetrics(round(answers), reward, score, kl, ended, tokens, of_length, per_token)


def gain_of(parent: PolicyMetrics, new: PolicyMetrics) -> dict[str, float]:
    """Where a change of `reward` comes from: what the reward model says beside the length, the
    length, and what is taken for doubt and missing ends."""
    reward, score = new.reward - parent.reward, new.score - parent.score
    length = new.of_length - parent.of_length
    return {
        "reward": reward,
        "judged": score - length,
        "length": length,
        "doubt_and_ends": reward - score,
    }


@dataclass(frozen=True)
class Changes:
    """Of each held-out prompt, the change of its answers' mean reward, of the share of them that
    end by themselves, and of their mean score by a second reward model, where there is one."""

    reward: NDArray[np.float64]
    ended: NDArray[np.float64]
    second: NDArray[np.float64] | None = None

    @property
    def more_to_tell(self) -> int:
        """How many more prompts like these would tell a gain from chance; as many again where
        there is none to see yet."""
        count, gain = len(self.reward), float(self.reward.mean())
        if count < 2 or gain <= 0:
            return count
        error = float(self.reward.std(ddof=1)) / gain
        return max(1, min(math.ceil((1.96 * error) ** 2) - count, 9 * count))


def policy_gate(
    parent: PolicyMetrics,
    new: PolicyMetrics,
    changes: Changes,
    kl_budget: float,
    stopped: Verdict | None = None,
) -> Gate:
    """A policy serves when the interval of its held-out gain lies above 0, within the divergence
    budget, its answers still end, and a second reward model, if any, does not like them less.

    `stopped` says why training ended early, if it did; what was kept is judged all the same.
    """
    gain = float(changes.reward.mean())
    low, high = interval(changes.reward) if math.isfinite(gain) else (math.nan, math.nan)
    _, ends = interval(changes.ended)
    values: dict[str, float | Verdict] = {
        "before": parent.reward,
        "after": new.reward,
        "divergence": new.kl,
        "budget": kl_budget,
        "gain": gain,
        "low": low,
        "high": high,
    }
    if stopped:
        values["stopped"] = stopped
    if not new.kl <= kl_budget:  # nor where it is NaN
        code = Code.POLICY_OVER_BUDGET
    elif not as_said(new.reward) > as_said(parent.reward):
        code = Code.POLICY_NO_GAIN
    elif not as_said(low) > 0:
        code = Code.POLICY_UNDECIDED
        values["more"] = changes.more_to_tell
    elif ends < -ENDS_MAY_FALL:
        code = Code.POLICY_FEWER_ENDS
        values |= {"ended": new.ended, "ended_before": parent.ended}
    elif changes.second is not None and not as_said(float(changes.second.mean())) >= 0:
        code = Code.POLICY_SECOND_FELL
        values["second"] = float(changes.second.mean())
    else:
        code = Code.POLICY_BETTER
    return Gate(code == Code.POLICY_BETTER, Verdict(code, values))
