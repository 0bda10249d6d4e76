"""What a policy update minimises. All algorithms share the rollouts, their scores and the loop."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, cast, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from rewardmodel.learning.configs import ConfigError, PolicyConfig
from rewardmodel.learning.core.distributed import autocast
from rewardmodel.learning.core.group_packing import GroupBatch, unpack
from rewardmodel.learning.policy.divergence_price import DivergencePrice
from rewardmodel.learning.policy.experience import Experience, Reading
from rewardmodel.learning.policy.losses import (
    clipped_loss,
    ppo_loss,
    rloo_loss,
    rloo_returns,
)
from rewardmodel.learning.policy.model import AdaptedPolicy
from rewardmodel.learning.policy.value_function import ValueFunction


@runtime_checkable
class Algorithm(Protocol):
    """`module` holds what is trained."""

    module: nn.Module

    def prepare(self, experiences: Sequence[Experience]) -> list[Experience]:
        """A step's answers before the first pass, with what is to be known of all of them."""

    def read(self, module: nn.Module, batch: GroupBatch) -> Reading:
        """One forward pass of `module`, which is this one's, prepared for training."""

    def loss(self, new: Reading, old: Reading, experience: Experience) -> Float[Tensor, ""]:
        """Summed over the answers; `old` is the reading of the policy that sampled them."""


class Rloo:
    """REINFORCE leave-one-out (arXiv 2402.14740): one decision an answer, its group as baseline."""

    def __init__(self, config: PolicyConfig, actor: nn.Module) -> None:
        """`actor` gives the log probabilities of a batch's answer tokens."""
        self.config, self.module = config, actor

    @torch.no_grad()
    def prepare(self, experiences: Sequence[Experience]) -> list[Experience]:
        """Of a group in parts, each has with it what the other answers are worth: its baseline."""
        worth: dict[int, dict[int, Tensor]] = defaultdict(dict)
        for experience in experiences:
            if not all(part.is_whole for part in experience.parts):
                with autocast(experience.reference.device):
                    read = self.module(experience.batch)
                returns = rloo_returns(read, *self._judged(experience), self.config.beta)
                for part, own in zip(experience.parts, returns, strict=True):
                    worth[part.group][part.answers.start] = own
        return [replace(each, others=self._others(each, worth)) for each in experiences]

    def _others(
        self, experience: Experience, worth: dict[int, dict[int, Tensor]]
    ) -> list[Float[Tensor, " _"]]:
        """For each rollout what its group's answers in other parts are worth; `worth` holds each
        part's by the group and the part's first answer."""
        none = experience.reference[:0]
        return [
            torch.cat([none, *(r for s, r in worth[part.group].items() if s != part.answers.start)])
            for part in experience.parts
        ]

    def _judged(self, experience: Experience) -> tuple[Tensor, list[Tensor], Tensor]:
        """The reference's log probabilities, the rewards by group, and whose each token is."""
        rewards = [rollout.rewards for rollout in experience.rollouts]
        return experience.reference, rewards, experience.batch.answer_of

    def read(self, module: nn.Module, batch: GroupBatch) -> Reading:
        return Reading(module(batch))

    def loss(self, new: Reading, old: Reading, experience: Experience) -> Float[Tensor, ""]:
        if not experience.others and not all(part.is_whole for part in experience.parts):
            raise RuntimeError("the parts of a group were not prepared")
        return rloo_loss(
            new.log_probs,
            old.log_probs,
            *self._judged(experience),
            beta=self.config.beta,
            clip=self.config.ratio_clip,
            others=experience.others,
        )


class TokenRloo:
    """RLOO whose decisions are tokens: each has its own credit, and its own price of divergence."""

    def __init__(self, config: PolicyConfig, actor: nn.Module, price: DivergencePrice) -> None:
        """`actor` gives the log probabilities of a batch's answer tokens."""
        self.config, self.module, self.price = config, actor, price

    def prepare(self, experiences: Sequence[Experience]) -> list[Experience]:
        """As they are: credits are of whole groups already."""
        return list(experiences)

    def read(self, module: nn.Module, batch: GroupBatch) -> Reading:
        return Reading(module(batch))

    def loss(self, new: Reading, old: Reading, experience: Experience) -> Float[Tensor, ""]:
        earned = torch.cat([each for r in experience.rollouts for each in r.credits])
        nats = old.log_probs - experience.reference
        advantages = earned.to(nats.device) - self.price.now * (nats - self.price.rate)
        return clipped_loss(new.log_probs, old.log_probs, advantages, self.config.ratio_clip)


class Ppo:
    """Proximal policy optimisation (arXiv 1707.06347) as in InstructGPT (arXiv 2203.02155).

    Every token is a decision, with its own price of divergence; the score comes with the last one.
    """

    def __init__(self, config: PolicyConfig, actor: nn.Module, critic: nn.Module) -> None:
        """`actor` gives the log probabilities of a batch's answer tokens, `critic` their values."""
        self.config = config
        self.module: nn.Module = ActorCritic(actor, critic)

    def prepare(self, experiences: Sequence[Experience]) -> list[Experience]:
        """As they are: an answer is judged by itself."""
        return list(experiences)

    def read(self, module: nn.Module, batch: GroupBatch) -> Reading:
        return Reading(*module(batch))

    def loss(self, new: Reading, old: Reading, experience: Experience) -> Float[Tensor, ""]:
        config = self.config
        rewards = [rollout.rewards for rollout in experience.rollouts]
        return ppo_loss(
            new.log_probs,
            cast(Tensor, new.values),
            old.log_probs,
            cast(Tensor, old.values),
            experience.reference,
            torch.cat(rewards),
            experience.lengths,
            config,
        )


class ActorCritic(nn.Module):
    """Log probabilities of answer tokens, and the values of the states before them, both [T]."""

    def __init__(self, actor: nn.Module, critic: nn.Module) -> None:
        super().__init__()
        self.actor, self.critic = actor, critic

    def forward(self, batch: GroupBatch) -> tuple[Float[Tensor, " T"], Float[Tensor, " T"]]:
        return self.actor(batch), self.critic(batch)


def new_algorithm(config: PolicyConfig, policy: AdaptedPolicy) -> Algorithm:
    """The one that the configuration names. Raises ConfigError."""
    if config.algorithm == "rloo":
        if config.credit == "token":
            return TokenRloo(config, policy.log_probs, policy.price)
        return Rloo(config, policy.log_probs)
    if not have_same_tokens(policy):
        raise ConfigError(
            "algorithm is 'ppo', but the reward model has another tokenizer than the policy; "
            "use rloo, or a reward model trained from the policy's base."
        )
    if policy.scorer and policy.scorer.layout is unpack:
        policy.layout = unpack  # a value function reads the same rows, as a reward model does
    critic = ValueFunction(config.reward_model, config.lora_rank, policy.device)
    return Ppo(config, policy.log_probs, critic)


def have_same_tokens(policy: AdaptedPolicy) -> bool:
    """A value function reads the policy's tokens with the reward model's weights, which may know
    more: a token to pad with."""
    if policy.scorer is None:
        return False
    ours, theirs = (chat.tokenizer.get_vocab() for chat in (policy.chat, policy.scorer.chat))
    return bool(ours.items() <= theirs.items())
