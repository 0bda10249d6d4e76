"""What a policy update minimises: pure functions of tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from rewardmodel.learning.configs import PolicyConfig


def rloo_advantages(rewards: Float[Tensor, " K"]) -> Float[Tensor, " K"]:
    """Each reward minus the mean of the other ones of its group; K at least 2.

    REINFORCE leave-one-out, RLOO (arXiv 2402.14740).
    """
    count = rewards.shape[-1]
    return (rewards - rewards.mean(-1, keepdim=True)) * count / (count - 1)


def sequence_sums(
    values: Float[Tensor, " T"], answer_of: Int[Tensor, " T"], answers: int
) -> Float[Tensor, " N"]:
    """Sums of per-token values by the answer that each token belongs to, N = `answers` in all."""
    return values.new_zeros(answers).index_add(0, answer_of, values)


def rloo_loss(
    log_probs: Float[Tensor, " T"],
    sampled: Float[Tensor, " T"],
    reference: Float[Tensor, " T"],
    rewards: Sequence[Float[Tensor, " K"]],
    answer_of: Int[Tensor, " T"],
    *,
    beta: float,
    clip: float,
    others: Sequence[Tensor] = (),
) -> Float[Tensor, ""]:
    """The sum over N answers of RLOO's loss; a whole answer is one decision (arXiv 2402.14740).

    `rewards` are those of each group's answers, N in all; `answer_of` says whose each of the T
    tokens is. `sampled` are the log probabilities under the policy that sampled. `others` are the
    returns of each group's answers that are not among the N, if any.
    """
    groups = rloo_returns(sampled, reference, rewards, answer_of, beta)
    more = others or [group[:0] for group in groups]
    advantages = [
        rloo_advantages(torch.cat([group, rest]))[: len(group)]
        for group, rest in zip(groups, more, strict=True)
    ]
    count = sum(map(len, groups))
    return clipped_loss(
        sequence_sums(log_probs, answer_of, count),
        sequence_sums(sampled, answer_of, count),
        torch.cat(advantages),
        clip,
    )


def token_credits(
    rewards: Float[Tensor, " K"],
    words: Sequence[Float[Tensor, " _"]],
    at_end: Float[Tensor, " K"],
    lengths: Sequence[int],
    decay: float,
) -> list[Float[Tensor, " _"]]:
    """What each of the `lengths` tokens of a group's K answers is worth beside the other answers.

    An answer's reward is the sum of what its `words` have, which are its tokens but for the end, of
    what hangs on where it ends (`at_end`), which its last token has, and of a rest. A token is
    credited with what it and the tokens after it have, fading by `decay` a token, less the other
    answers' mean of the same, and with all of the rest. With a decay of 1 the first token's credit
    is RLOO's advantage of the answer. An answer alone, from which nothing is learned, has none.
    """
    if len(lengths) == 1:
        return [torch.zeros(lengths[0])]
    own = torch.stack([each.sum() for each in words])
    others = own - rloo_advantages(own)
    rest, ends = rloo_advantages(rewards - own - at_end), rloo_advantages(at_end)
    earned = [torch.zeros(length) for length in lengths]
    for k, word in enumerate(words):
        earned[k][: len(word)] = word
        earned[k][: max(len(word), 1)] -= others[k] / max(len(word), 1)  # also where it only ends
        earned[k][-1] += ends[k]
    flat = torch.cat(earned)
    fading = generalized_advantages(flat, torch.zeros_like(flat), lengths, decay)  # of no values
    split = torch.split(fading, list(lengths))
    return [advantage + credit for advantage, credit in zip(rest, split, strict=True)]


def rloo_returns(
    sampled: Float[Tensor, " T"],
    reference: Float[Tensor, " T"],
    rewards: Sequence[Float[Tensor, " K"]],
    answer_of: Int[Tensor, " T"],
    beta: float,
) -> list[Tensor]:
    """Each answer's reward less `beta` a nat of divergence from the reference, by group.

    The arguments are those of `rloo_loss`.
    """
    sizes = [len(group) for group in rewards]
    divergence = sequence_sums(sampled.detach() - reference, answer_of, sum(sizes))
    returns = torch.cat(list(rewards)).to(divergence.device) - beta * divergence
    return list(torch.split(returns, sizes))


def ppo_loss(
    log_probs: Float[Tensor, " T"],
    values: Float[Tensor, " T"],
    sampled: Float[Tensor, " T"],
    values_before: Float[Tensor, " T"],
    reference: Float[Tensor, " T"],
    rewards: Float[Tensor, " N"],
    lengths: Sequence[int],
    config: PolicyConfig,
) -> Float[Tensor, ""]:
    """The sum over N answers of PPO's loss; every token is a decision (arXiv 1707.06347).

    `sampled` and `values_before` are those of the policy that sampled; `lengths` are the answers'
    tokens, T in all.
    """
    earned = token_rewards(sampled, reference, rewards, lengths, config.beta)
    advantages = generalized_advantages(earned, values_before, lengths, config.gae_lambda)
    returns = advantages + values_before
    value_loss = clipped_value_loss(values, values_before, returns, config.value_clip)
    policy_loss = clipped_loss(log_probs, sampled, advantages, config.ratio_clip)
    return policy_loss + config.value_weight * value_loss


def token_rewards(
    sampled: Float[Tensor, " T"],
    reference: Float[Tensor, " T"],
    rewards: Float[Tensor, " N"],
    lengths: Sequence[int],
    beta: float,
) -> Float[Tensor, " T"]:
    """Minus `beta` a nat of divergence from the reference; an answer's last token earns the
    answer's reward too (arXiv 2203.02155, section 3.5). `lengths` are the answers' tokens."""
    earned = -beta * (sampled.detach() - reference)
    ends = torch.tensor(lengths, device=earned.device).cumsum(0) - 1
    earned[ends] += rewards.to(earned.device)
    return earned


def clipped_loss(
    log_probs: Float[Tensor, " N"],
    sampled: Float[Tensor, " N"],
    advantages: Float[Tensor, " N"],
    clip: float,
) -> Float[Tensor, ""]:
    """The sum of -min(r A, clip(r, 1 - c, 1 + c) A), r = exp(log_probs - sampled).

    Equation 7 of PPO (arXiv 1707.06347), for answers or for tokens. `sampled` are the log
    probabilities under the policy that sampled; they and the advantages are constants. While that
    policy is unchanged r is 1 and the gradient the REINFORCE estimator's, -A grad log p.
    """
    advantages = advantages.detach()
    ratios = (log_probs - sampled.detach()).exp()
    return -torch.min(ratios * advantages, ratios.clamp(1 - clip, 1 + clip) * advantages).sum()


def generalized_advantages(
    rewards: Float[Tensor, " T"],
    values: Float[Tensor, " T"],
    lengths: Sequence[int],
    decay: float,
) -> Float[Tensor, " T"]:
    """Advantages of tokens, A_t = d_t + decay A_(t+1), d_t = r_t + V_(t+1) - V_t.

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


def clipped_value_loss(
    values: Float[Tensor, " T"],
    before: Float[Tensor, " T"],
    returns: Float[Tensor, " T"],
    clip: float,
) -> Float[Tensor, ""]:
    """The sum of max((V - R)^2, (clip(V, V_before - c, V_before + c) - R)^2) / 2.

    As in the code of arXiv 1909.08593: no gain from moving a value further than `clip` in a step.
    """
    near = before + (values - before).clamp(-clip, clip)
    return 0.5 * torch.max((values - returns) ** 2, (near - returns) ** 2).sum()


def implicit_rewards(
    policy: Float[Tensor, " K"], reference: Float[Tensor, " K"], beta: float
) -> Float[Tensor, " K"]:
    """beta (log pi(y | x) - log pi_ref(y | x)) of a prompt's answers, given both logarithms.

    The rewards for which this policy is the best one, up to a term of the prompt (DPO, arXiv
    2305.18290, equation 5). -log sigmoid of their differences, equation 7, is `vote_log_loss`.
    """
    return beta * (policy - reference)


def plackett_luce_loss(
    rewards: Float[Tensor, " K"],
    ranks: Float[Tensor, "labelers K"],
    weights: Float[Tensor, " labelers"],
) -> Float[Tensor, ""]:
    """The weighted sum over labelers of -log p(ranking); ranks of 1 are best.

    A ranking is drawn from its best place down, each answer with probability proportional to
    exp(reward) among those that are ranked no better (arXiv 2305.18290, equation 20). Tied answers
    share a place: each is drawn among all from there down (Breslow, Biometrics 30, 1974), so that a
    tie is likeliest at equal rewards. One whose rank is NaN has no place.
    """
    alone = torch.eye(len(rewards), dtype=torch.bool, device=ranks.device)
    no_better = (ranks[:, :, None] <= ranks[:, None, :]) | alone
    among = rewards.masked_fill(~no_better, -math.inf).logsumexp(-1)
    return (weights * (among - rewards).sum(-1)).sum()


def expected_best(scores: Float[Tensor, " N"], count: int) -> float:
    """The mean of the best of `count` answers, over all choices of as many among the N scored.

    sum_i C(i - 1, count - 1) / C(N, count) s_(i), s in rising order: unbiased (arXiv 2112.09332,
    appendix I). `count` is at most N.
    """
    total = math.comb(len(scores), count)
    ranked: list[float] = scores.sort().values.tolist()
    return sum(math.comb(below, count - 1) / total * score for below, score in enumerate(ranked))


def best_of_n_divergence(count: int) -> float:
    """log n - (n - 1) / n nats: at most so far is best-of-n from the policy that it samples.

    arXiv 2009.01325, appendix G.3; a bound in general (arXiv 2401.01879).
    """
    return math.log(count) - (count - 1) / count
