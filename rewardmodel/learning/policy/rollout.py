"""A prompt with the policy's answers, and what each of them is worth in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from annotation.lm.chat import Messages
from annotation.lm.completion import Completion
from annotation.lm.sampler import derive_seed
from rewardmodel.learning.configs import PolicyConfig
from rewardmodel.learning.core.group_packing import EncodedGroup
from rewardmodel.learning.core.passes import Part
from rewardmodel.learning.policy.base_reading import BaseReading
from rewardmodel.learning.policy.losses import token_credits
from rewardmodel.learning.reward.scorer import Judged


@dataclass(frozen=True)
class Rollout:
    """One prompt, the K answers sampled to it, and what was measured of each.

    `scores` are normalised rewards, `of_length` is what of each is its length's, `ended` is 1
    where the answer ended by itself. `rewards` are what the policy is taught by, before the price
    of divergence: the scores, less what is taken for doubt, which is `for_doubt`, and for a missing
    end. `reference` are the reference's log probabilities of each answer's tokens, where it has
    read them already; `credits` what each of them is worth beside the group's other answers.
    `features` is what a head on known features was given of the answers.
    """

    prompt: Messages
    texts: list[str]
    group: EncodedGroup
    scores: Float[Tensor, " K"]
    ended: Float[Tensor, " K"]
    rewards: Float[Tensor, " K"]
    of_length: Float[Tensor, " _"] = field(default_factory=lambda: torch.zeros(0))
    for_doubt: Float[Tensor, " _"] = field(default_factory=lambda: torch.zeros(0))
    reference: list[Float[Tensor, " _"]] | None = None
    credits: list[Float[Tensor, " _"]] = field(default_factory=list)
    features: Float[Tensor, "K width"] | None = None

    def part(self, part: Part) -> Rollout:
        """With the answers of that part alone."""
        answers = slice(part.answers.start, part.answers.stop)
        return replace(
            self,
            texts=self.texts[answers],
            group=part.encoded,
            scores=self.scores[answers],
            ended=self.ended[answers],
            rewards=self.rewards[answers],
            of_length=self.of_length[answers],
            for_doubt=self.for_doubt[answers],
            reference=self.reference and self.reference[answers],
            credits=self.credits[answers],
            features=None if self.features is None else self.features[answers],
        )


def new_rollout(
    config: PolicyConfig,
    prompt: Messages,
    group: EncodedGroup,
    sampled: Sequence[Completion],
    judged: Judged,
    known: BaseReading | None,
    *,
    end_price: float,
    scale: float,
) -> Rollout:
    """What the sampled answers are worth, as a reward model `judged` them.

    `known` is what a head on the base has read of them, in nats, of which one unit of reward is
    `scale`; only such a head tells what of a score each word has. `end_price` is what a missing
    end costs.
    """
    if config.without_length:
        judged = judged.without_length()
    ended = torch.tensor([float(completion.has_ended) for completion in sampled])
    missing_end = end_price * (1 - ended)
    for_doubt = config.uncertainty_price * judged.deviations
    rewards = judged.scores - for_doubt - missing_end
    words = [torch.zeros(len(answer)) for answer in group.answers]
    at_end = judged.of_length - missing_end
    if known is not None:
        words, at_end = [each / scale for each in known.words], at_end + known.end / scale
    lengths = [len(answer) for answer in group.answers]
    return Rollout(
        prompt=prompt,
        texts=[completion.text for completion in sampled],
        group=group,
        scores=judged.scores,
        ended=ended,
        rewards=rewards,
        of_length=judged.of_length,
        for_doubt=for_doubt,
        reference=known.of(group) if known else None,
        credits=token_credits(rewards, words, at_end, lengths, config.credit_decay),
        features=judged.features,
    )


def seeds_of(config: PolicyConfig, step: int, place: int, count: int) -> list[int]:
    """Of the answers to the prompt at that place of a step."""
    return [derive_seed(config.seed, step, place, k) for k in range(count)]


def heldout_seeds(config: PolicyConfig, place: int) -> list[int]:
    """Of the answers to the held-out prompt at that place, the same for every policy."""
    return seeds_of(config, -1, place, config.heldout_answers)


def checked_seeds(config: PolicyConfig, place: int) -> list[int]:
    """Of those in a check: others, since the best check is chosen by its answers."""
    return seeds_of(config, -2, place, config.heldout_answers)
