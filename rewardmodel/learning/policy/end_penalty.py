"""What a missing end costs: only as much as keeps answers ending as often as they did."""

from __future__ import annotations

import torch
from torch import Tensor

RATE = 6.0
"""At 2 the penalty took 12 of 16 steps to rise to 1, while ever fewer answers ended."""
MEMORY = 0.5


class EndPenalty:
    """A Lagrange multiplier of the wish that answers end by themselves as often as the parent's.

    It begins at 0, and moves after each step by RATE times how far the share of ended answers, a
    mean that fades by MEMORY a step, lies below the parent's; never below 0 nor above `most`.
    """

    def __init__(self, most: float) -> None:
        self.most, self.now = most, 0.0
        self._parent: float | None = None
        self._recent = 0.0

    def follow(self, ended: float) -> None:
        """The share of a step's answers that ended; the first step's are the parent's."""
        if self._parent is None:
            self._parent = self._recent = ended
        self._recent = MEMORY * self._recent + (1 - MEMORY) * ended
        self.now = min(max(self.now + RATE * (self._parent - self._recent), 0.0), self.most)

    def state(self) -> dict[str, Tensor]:
        """What a resumed run needs."""
        if self._parent is None:
            return {}
        return {"end_penalty": torch.tensor([self.now, self._parent, self._recent])}

    def restore(self, state: dict[str, Tensor]) -> None:
        """The inverse of `state`; an empty one changes nothing."""
        if "end_penalty" in state:
            self.now, self._parent, self._recent = state["end_penalty"].tolist()
