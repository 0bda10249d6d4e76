"""What a policy update learns from: rollouts as passes read them, with the reference's reading."""

from __future__ import annotations

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from rewardmodel.learning.core.group_packing import GroupBatch
from rewardmodel.learning.core.passes import Part
from rewardmodel.learning.policy.losses import sequence_sums
from rewardmodel.learning.policy.rollout import Rollout


@dataclass(frozen=True)
class Reading:
    """What is made of the T answer tokens of a batch in one forward pass.

    `log_probs` in nats; `values` are what a value function expects before each token, if any.
    """

    log_probs: Float[Tensor, " T"]
    values: Float[Tensor, " T"] | None = None

    def detached(self) -> Reading:
        """The same as constants."""
        return Reading(
            self.log_probs.detach(), None if self.values is None else self.values.detach()
        )


@dataclass
class Experience:
    """Rollouts with N answers of one forward pass, and the reference's log probabilities of their
    T tokens. `old` is the reading of the policy that sampled them, once it has read them.

    `parts` says of which group, and which of its answers, each rollout is; `others` what that
    group's other answers are worth to RLOO, for each rollout nothing where it is whole.
    """

    rollouts: list[Rollout]
    batch: GroupBatch
    reference: Float[Tensor, " T"]
    old: Reading | None = None
    parts: list[Part] = field(default_factory=list)
    others: list[Tensor] = field(default_factory=list)

    def old_or(self, new: Reading) -> Reading:
        """The reading of the policy that sampled: the first one there is, kept as constants."""
        if self.old is None:
            self.old = new.detached()
        return self.old

    @property
    def lengths(self) -> list[int]:
        """Tokens of each answer, in order."""
        return [len(answer) for r in self.rollouts for answer in r.group.answers]

    @property
    def divergence(self) -> Float[Tensor, " N"]:
        """Of the policy that sampled from the reference, in nats an answer.

        Raises RuntimeError when that policy has not read the answers yet.
        """
        nats = self._sampled.log_probs - self.reference
        return sequence_sums(nats, self.batch.answer_of, len(self.lengths))

    @property
    def surprise(self) -> Float[Tensor, ""]:
        """-log p of all tokens together, by the policy that sampled them; raises as above."""
        return -self._sampled.log_probs.sum()

    @property
    def _sampled(self) -> Reading:
        if self.old is None:
            raise RuntimeError("the policy that sampled these answers has not read them yet")
        return self.old
