"""What a policy update minimises. All algorithms share the rollouts, their scores and the loop."""

from __future__ import annotations

from typing import Protocol, cast

import torch
from torch import Tensor, nn

from rewardmodel.learning.configs import ConfigError, PolicyConfig
from rewardmodel.learning.core.group_packing import GroupBatch, unpack
from rewardmodel.learning.policy.losses import (
    clipped_loss,
    clipped_value_loss,
    generalized_advantages,
    rloo_advantages,
)
from rewardmodel.learning.policy.rollout import AdaptedPolicy, Experience
from rewardmodel.learning.policy.value_function import ValueFunction


class Algorithm(Protocol):
    """`module` holds what is trained."""

    module: nn.Module

    def loss(self, experience: Experience, module: nn.Module) -> Tensor:
        """Summed over the answers, a scalar; `module` is this one's, prepared for training.

        Notes on the experience what the policy that sampled it made of it.
        """


class Rloo:
    """REINFORCE leave-one-out (arXiv 2402.14740): one decision an answer, its group as baseline."""

    def __init__(self, config: PolicyConfig, policy: AdaptedPolicy) -> None:
        self.config, self.policy = config, policy
        self.module: nn.Module = policy.log_probs

    def loss(self, experience: Experience, module: nn.Module) -> Tensor:
        log_probs = cast(Tensor, module(self.policy.lay_out(experience.rollouts)))
        sampled = experience.note(log_probs)
        advantages = torch.cat(
            [rloo_advantages(r.returns(self.config)) for r in experience.rollouts]
        )
        return clipped_loss(
            experience.by_answer(log_probs),
            experience.by_answer(sampled),
            advantages.to(log_probs.device),
            self.config.ratio_clip,
        )


class Ppo:
    """Proximal policy optimisation (arXiv 1707.06347) as in InstructGPT (arXiv 2203.02155).

    Every token is a decision, with its own price of divergence; the score comes with the last one.
    """

    def __init__(self, config: PolicyConfig, policy: AdaptedPolicy, critic: nn.Module) -> None:
        self.config, self.policy = config, policy
        self.module: nn.Module = ActorCritic(policy.log_probs, critic)

    def loss(self, experience: Experience, module: nn.Module) -> Tensor:
        config = self.config
        log_probs, values = module(self.policy.lay_out(experience.rollouts))
        sampled = experience.note(log_probs)
        if experience.values is None:
            experience.values = values.detach()
        before = experience.values
        advantages = generalized_advantages(
            self.rewards(experience, sampled), before, experience.lengths, config.gae_lambda
        )
        value_loss = clipped_value_loss(values, before, advantages + before, config.value_clip)
        policy_loss = clipped_loss(log_probs, sampled, advantages, config.ratio_clip)
        return policy_loss + config.value_weight * value_loss

    def rewards(self, experience: Experience, sampled: Tensor) -> Tensor:
        """Of each token [T]: minus beta a nat of divergence; the last one earns the score too."""
        rewards = -self.config.beta * (sampled - experience.reference)
        ends = torch.tensor(experience.lengths).cumsum(0) - 1
        earned = [r.rewards(self.config.missing_end_penalty) for r in experience.rollouts]
        rewards[ends.to(rewards.device)] += torch.cat(earned).to(rewards.device)
        return rewards


class ActorCritic(nn.Module):
    """Log probabilities of answer tokens, and the values of the states before them, both [T]."""

    def __init__(self, actor: nn.Module, critic: nn.Module) -> None:
        super().__init__()
        self.actor, self.critic = actor, critic

    def forward(self, batch: GroupBatch) -> tuple[Tensor, Tensor]:
        return self.actor(batch), self.critic(batch)


def new_algorithm(config: PolicyConfig, policy: AdaptedPolicy) -> Algorithm:
    """The one that the configuration names. Raises ConfigError."""
    if config.algorithm == "rloo":
        return Rloo(config, policy)
    require_same_tokens(policy)
    return Ppo(config, policy, ValueFunction(config.reward_model, config.lora_rank, policy.device))


def require_same_tokens(policy: AdaptedPolicy) -> None:
    """A value function reads the policy's tokens with the reward model's weights."""
    ours, theirs = (chat.tokenizer.get_vocab() for chat in (policy.chat, policy.scorer.chat))
    if ours != theirs:
        raise ConfigError(
            "algorithm is 'ppo', but the reward model has another tokenizer than the policy; "
            "use rloo, or a reward model trained from the policy's base."
        )
    if policy.scorer.layout is unpack:
        policy.layout = unpack
