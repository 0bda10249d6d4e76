"""What a nat of divergence costs: more and more as the budget is used up."""

from __future__ import annotations

import torch
from torch import Tensor

from rewardmodel.learning.policy.metrics import PolicyMetrics

WALL = 0.8
"""Share of the budget at which the barrier stands: held-out answers diverge now more, now less."""
NEAREST = 0.05
"""Share of the way to the wall below which the price rises no more."""
MEMORY = 0.5


class DivergencePrice:
    """The slope of a logarithmic barrier, `beta / (1 - way)`, in reward a nat (Boyd and
    Vandenberghe, Convex Optimization, 2004, section 11.2).

    `way` is how far the divergence has come from that of the first step's answers, which is the
    parent's, to the wall. It is that of the steps' answers, a mean that fades by MEMORY a step;
    `rate` is the last step's mean divergence a token.
    """

    def __init__(self, beta: float, budget: float) -> None:
        """`beta` is the price where there is no divergence, `budget` in nats an answer."""
        self.beta, self.wall = beta, WALL * budget
        self.now, self.rate = beta, 0.0
        self._start: float | None = None
        self._recent = 0.0

    def follow(self, metrics: PolicyMetrics) -> None:
        """Of a step's answers."""
        if self._start is None:
            self._start = self._recent = metrics.kl
        self._set(MEMORY * self._recent + (1 - MEMORY) * metrics.kl, metrics.kl_per_token)

    def _set(self, recent: float, rate: float) -> None:
        self._recent, self.rate = recent, rate
        whole = self.wall - (self._start or 0.0)
        left = (self.wall - recent) / whole if whole > 0 else 0.0
        self.now = self.beta / min(max(left, NEAREST), 1.0)

    def state(self) -> dict[str, Tensor]:
        """What a resumed run needs."""
        if self._start is None:
            return {}
        return {"price_of_divergence": torch.tensor([self._start, self._recent, self.rate])}

    def restore(self, state: dict[str, Tensor]) -> None:
        """The inverse of `state`; an empty one changes nothing."""
        if "price_of_divergence" in state:
            self._start, recent, rate = state["price_of_divergence"].tolist()
            self._set(recent, rate)
