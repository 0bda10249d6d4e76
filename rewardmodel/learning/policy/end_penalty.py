"""What a missing end costs: only as much as keeps answers ending as often as the base model's."""

from __future__ import annotations

import torch
from torch import Tensor

RATE = 6.0
"""At 2 the penalty took 12 of 16 steps to rise to 1, while ever fewer answers ended."""
MEMORY = 0.5


class EndPenalty:
    """A Lagrange multiplier of the wish that answers end by themselves as often as the base's.

    It begins at 0, and moves after each step by RATE times how far the share of ended answers, a
    mean that fades by MEMORY a step, lies below the base's; never below 0 nor above `most`. A
    parent's share would let a child of a child end ever more seldom, or hold it to ends that a
    parent was taught by chance.
    """

    def __init__(self, most: float) -> None:
        self.most, self.now = most, 0.0
        self._wanted = self._recent = 0.0

    def begin(self, wanted: float) -> None:
        """`wanted` is the share of the base model's answers that end."""
        self._wanted = self._recent = wanted

    def follow(self, ended: float) -> None:
        """The share of a step's answers that ended."""
        self._recent = MEMORY * self._recent + (1 - MEMORY) * ended
        self.now = min(max(self.now + RATE * (self._wanted - self._recent), 0.0), self.most)

    def state(self) -> dict[str, Tensor]:
        """What a resumed run needs."""
        return {"end_penalty": torch.tensor([self.now, self._wanted, self._recent])}

    def restore(self, state: dict[str, Tensor]) -> None:
        """The inverse of `state`; an empty one changes nothing."""
        if "end_penalty" in state:
            self.now, self._wanted, self._recent = state["end_penalty"].tolist()
