"""How a policy's held-out answers fare, and the gate it must pass to serve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from rewardmodel.learning.core.bootstrap import (
    DOUBT_COUNTED,
    FEWEST,
    deciding_interval,
    more_to_tell,
    with_doubt,
)
from rewardmodel.learning.core.codes import Code
from rewardmodel.learning.core.gate import Gate, Verdict, as_said

if TYPE_CHECKING:
    from rewardmodel.learning.core.distributed import Processes
    from rewardmodel.learning.policy.experience import Experience

ENDS_MAY_FALL = 0.1
"""How much of the answers may stop to end by themselves, before that alone shuts the gate."""

LENGTH_BOUND = 2.0
"""How many times as long, or as short, answers may become."""
DISTINCT_BOUND = 2.0
"""How many times less distinct answers may become."""


@dataclass(frozen=True)
class PolicyMetrics:
    """A policy's answers to the held-out prompts.

    `score` is the mean normalised reward, `reward` the same less what is taken for doubt, which is
    `for_doubt`, and for missing ends, `kl` the mean divergence from the reference in nats an
    answer, `ended` the share of answers that end by themselves, `tokens` their mean length.
    `of_length` is what of the score a head on known features gives to the length alone,
    `kl_per_token` the divergence a token.
    `entropy` is that of the next token in nats, estimated as the mean of -log p over the tokens
    that were sampled: without a look at all others.
    """

    answers: int
    reward: float
    score: float
    kl: float
    ended: float
    tokens: float
    of_length: float = 0.0
    for_doubt: float = 0.0
    kl_per_token: float = 0.0
    entropy: float = 0.0


def summarise(experiences: Sequence[Experience]) -> Float[Tensor, 9]:
    """Sums over answers of what PolicyMetrics averages: `answers` to `for_doubt` in its order, and
    -log p of all that was sampled."""
    sums = torch.zeros(9)
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
                sum(float(r.for_doubt.sum()) for r in rollouts),
                float(experience.surprise),
            ]
        )
    return sums


def metrics_of(sums: Float[Tensor, 9]) -> PolicyMetrics:
    """The means of `summarise`'s sums, which may come from several processes."""
    answers, *totals = sums.tolist()
    *means, surprise = (total / answers for total in totals)
    _, _, kl, _, tokens, _, _ = means
    a_token = (kl / tokens, surprise / tokens) if tokens else (0.0, 0.0)
    return PolicyMetrics(round(answers), *means, *a_token)


def metrics_over(experiences: Sequence[Experience], accelerator: Processes) -> PolicyMetrics:
    """Of the answers of all processes, which the policy that sampled them has read."""
    sums = summarise(experiences).to(accelerator.device)
    return metrics_of(accelerator.reduce(sums, reduction="sum"))


def gain_of(parent: PolicyMetrics, new: PolicyMetrics) -> dict[str, float]:
    """Where a change of `reward` comes from: what the reward model says beside the length, the
    length, and what is taken for doubt and for missing ends: less of either is a gain."""
    reward, score = new.reward - parent.reward, new.score - parent.score
    length, doubt = new.of_length - parent.of_length, parent.for_doubt - new.for_doubt
    return {
        "reward": reward,
        "judged": score - length,
        "length": length,
        "doubt": doubt,
        "ends": reward - score - doubt,
    }


BeforeAndAfter = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Changes:
    """Of each held-out prompt, the change of its answers' mean reward, of the share of them that
    end by themselves, and of their mean score by a second reward model, where there is one.

    `tokens` and `distinct` are the parent's and the new policy's, of each prompt: the mean length,
    and the share of different pairs of tokens. `doubt` is the reward model's of the gain, where it
    has a posterior (`doubt_of_mean`).

    The gain d . w_found misses mu . w, that of all prompts by the true weights, by the prompts'
    (d - mu) . w_found and the weights' mu . (w_found - w): independent errors, whose variances add.
    """

    reward: NDArray[np.float64]
    ended: NDArray[np.float64]
    second: NDArray[np.float64] | None = None
    tokens: BeforeAndAfter | None = None
    distinct: BeforeAndAfter | None = None
    doubt: float | None = None

    @property
    def gain(self) -> float:
        return float(self.reward.mean())

    @cached_property
    def over_prompts(self) -> tuple[float, float]:
        """The ends of the gain's interval, as if the reward model were right."""
        return ends_of_interval(self.reward)

    @property
    def interval(self) -> tuple[float, float]:
        """By which the gate decides."""
        if self.doubt is None:
            return self.over_prompts
        return with_doubt(self.gain, self.over_prompts, self.doubt)


def policy_gate(
    parent: PolicyMetrics,
    new: PolicyMetrics,
    changes: Changes,
    kl_budget: float,
    stopped: Verdict | None = None,
) -> Gate:
    """A policy serves when the interval of its held-out gain, which counts the reward model's doubt
    too, lies above 0, within the divergence budget, its answers still end, are neither far longer
    nor shorter nor far more alike, and a second reward model, if any, does not like them less: what
    may be chance of any of these is not decided yet.

    `stopped` says why training ended early, if it did; what was kept is judged all the same.
    """
    low, high = changes.interval
    values: dict[str, float | Verdict] = {
        "before": parent.reward,
        "after": new.reward,
        "divergence": new.kl,
        "budget": kl_budget,
        "gain": changes.gain,
        "low": low,
        "high": high,
    }
    if changes.doubt is not None:
        values["doubt"] = changes.doubt
    if stopped:
        values["stopped"] = stopped
    if not new.kl <= kl_budget:  # nor where it is NaN
        code = Code.POLICY_OVER_BUDGET
    elif not as_said(new.reward) > as_said(parent.reward):
        code = Code.POLICY_NO_GAIN
    elif len(changes.reward) < FEWEST or not as_said(low) > 0:
        code, needed = _what_would_tell(changes)
        values |= needed
    elif fall := _fall(changes.ended, ENDS_MAY_FALL):
        code = Code.POLICY_FEWER_ENDS if fall.is_sure else Code.POLICY_ENDS_UNDECIDED
        values |= {"ended": new.ended, "ended_before": parent.ended, "more": fall.more}
    elif changes.tokens and (fall := _length_fall(*changes.tokens)):
        code = Code.POLICY_OTHER_LENGTH if fall.is_sure else Code.POLICY_LENGTH_UNDECIDED
        values |= _means("tokens", changes.tokens) | {"more": fall.more}
    elif changes.distinct and (fall := _fall(_above(*changes.distinct, DISTINCT_BOUND))):
        code = Code.POLICY_LESS_DISTINCT if fall.is_sure else Code.POLICY_DISTINCT_UNDECIDED
        values |= _means("distinct", changes.distinct) | {"more": fall.more}
    elif changes.second is not None and (fall := _fall(changes.second)):
        code = Code.POLICY_SECOND_WORSE if fall.is_sure else Code.POLICY_SECOND_UNDECIDED
        values |= {"second": fall.change, "second_low": fall.low, "second_high": fall.high}
        values["more"] = fall.more
    else:
        code = Code.POLICY_BETTER
    return Gate(code == Code.POLICY_BETTER, Verdict(code, values))


def _what_would_tell(changes: Changes) -> tuple[Code, dict[str, float]]:
    """Of a gain that is not decided: rankings, where the prompts would do as they are or no number
    of them would; else `more` prompts, to bring their own reach down to what the doubt leaves."""
    prompts, gain, low = len(changes.reward), changes.gain, changes.over_prompts[0]
    reach = DOUBT_COUNTED * (changes.doubt or 0.0)
    if reach and prompts >= FEWEST and (as_said(low) > 0 or gain <= reach):
        return Code.POLICY_DOUBTED, {}
    distance = math.sqrt(max(max(gain, 0.0) ** 2 - reach**2, 0.0))
    return Code.POLICY_UNDECIDED, {"more": more_to_tell(prompts, distance, gain - low)}


def ends_of_interval(changes: NDArray[np.float64]) -> tuple[float, float]:
    """Of their interval; both NaN where a change is no number."""
    return deciding_interval(changes) if np.isfinite(changes).all() else (math.nan, math.nan)


@dataclass(frozen=True)
class Fall:
    """Sure where the whole interval lies below what is allowed; else `more` prompts would tell."""

    change: float
    low: float
    high: float
    is_sure: bool
    more: int


def _fall(changes: NDArray[np.float64], allowed: float = 0.0) -> Fall | None:
    """None where the mean fell by no more than is allowed."""
    mean = float(changes.mean())
    if as_said(mean) >= -allowed:
        return None
    low, high = ends_of_interval(changes)
    more = more_to_tell(len(changes), -allowed - mean, high - mean)
    return Fall(mean, low, high, not as_said(high) >= -allowed, more)


def _above(
    before: NDArray[np.float64], after: NDArray[np.float64], bound: float
) -> NDArray[np.float64]:
    """How far each prompt's value is above the least that is allowed; below 0 where it is less."""
    return after - before / bound


def _length_fall(before: NDArray[np.float64], after: NDArray[np.float64]) -> Fall | None:
    """None where answers are neither shorter nor longer than is allowed."""
    shorter = _fall(_above(before, after, LENGTH_BOUND))
    return shorter or _fall(LENGTH_BOUND * before - after)


def _means(name: str, both: BeforeAndAfter) -> dict[str, float]:
    before, after = both
    return {name: float(after.mean()), f"{name}_before": float(before.mean())}
