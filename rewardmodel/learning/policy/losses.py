"""What a policy update minimises: pure functions of tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


def rloo_advantages(rewards: Tensor) -> Tensor:
    """Each reward minus the mean of the other ones of its group; `rewards` [K], K at least 2.

    REINFORCE leave-one-out, RLOO (arXiv 2402.14740).
    """
    count = rewards.shape[-1]
    return (rewards - rewards.mean(-1, keepdim=True)) * count / (count - 1)


def sequence_sums(values: Tensor, answer_of: Tensor, answers: int) -> Tensor:
    """Sums per-token `values` [T] by the answer that each token belongs to: [answers]."""
    return values.new_zeros(answers).index_add(0, answer_of, values)


def clipped_loss(log_probs: Tensor, sampled: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """The sum of -min(r A, clip(r, 1 - c, 1 + c) A), r = exp(log_probs - sampled); all [N].

    Equation 7 of PPO (arXiv 1707.06347), for answers or for tokens. `sampled` are the log
    probabilities under the policy that sampled; they and the advantages are constants. While that
    policy is unchanged r is 1 and the gradient the REINFORCE estimator's, -A grad log p.
    """
    advantages = advantages.detach()
    ratios = (log_probs - sampled.detach()).exp()
    return -torch.min(ratios * advantages, ratios.clamp(1 - clip, 1 + clip) * advantages).sum()


def generalized_advantages(
    rewards: Tensor, values: Tensor, lengths: Sequence[int], decay: float
) -> Tensor:
    """Advantages of tokens, A_t = d_t + decay A_(t+1), d_t = r_t + V_(t+1) - V_t; all [T].

    Generalized advantage estimation (arXiv 1506.02438, equation 16) with discount 1, answer by
    answer: `lengths` are their tokens, in order. Nothing comes after an answer's last token.
    """
    reward, value = (pad_sequence(x.split(list(lengths)), True) for x in (rewards, values))  # type: ignore[no-untyped-call]
    following = torch.cat([value[:, 1:], torch.zeros_like(value[:, :1])], dim=1)
    errors = reward + following - value  # 0 after the end, where both are padded with 0
    advantage, columns = torch.zeros_like(errors[:, 0]), []
    for column in reversed(errors.unbind(1)):
        advantage = column + decay * advantage
        columns.append(advantage)
    table = torch.stack(columns[::-1], dim=1)
    places = torch.arange(table.shape[1], device=table.device)
    return table[places < torch.tensor(lengths, device=table.device)[:, None]]


def clipped_value_loss(values: Tensor, before: Tensor, returns: Tensor, clip: float) -> Tensor:
    """The sum of max((V - R)^2, (clip(V, V_before - c, V_before + c) - R)^2) / 2; all [T].

    As in the code of arXiv 1909.08593: no gain from moving a value
    further than `clip` in one step.
    """
    near = before + (values - before).clamp(-clip, clip)
    return 0.5 * torch.max((values - returns) ** 2, (near - returns) ** 2).sum()


def expected_best(scores: Tensor, count: int) -> float:
    """The mean of the best of `count` answers, over all choices of as many among the N scored.

    sum_i C(i - 1, count - 1) / C(N, count) s_(i), s in rising order: unbiased (arXiv 2112.09332,
    appendix I). `scores` [N], count at most N.
    """
    total = math.comb(len(scores), count)
    ranked: list[float] = scores.sort().values.tolist()
    return sum(math.comb(below, count - 1) / total * score for below, score in enumerate(ranked))


def best_of_n_divergence(count: int) -> float:
    """log n - (n - 1) / n nats: at most so far is best-of-n from the policy that it samples.

    arXiv 2009.01325, appendix G.3; a bound in general (arXiv 2401.01879).
    """
    return math.log(count) - (count - 1) / count
