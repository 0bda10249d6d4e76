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
    """The slope of a logarithmic barrier, `beta / (1 - kl / wall)`, in reward a nat (Boyd and
    Vandenberghe, Convex Optimization, 2004, section 11.2).

    `kl` is the divergence of the steps' answers, a mean that fades by MEMORY a step; `rate` is the
    last step's mean divergence a token.
    """

    def __init__(self, beta: float, budget: float) -> None:
        """`beta` is the price where there is no divergence, `budget` in nats an answer."""
        self.beta, self.wall = beta, WALL * budget
        self.now, self.rate = beta, 0.0
        self._recent: float | None = None

    def follow(self, metrics: PolicyMetrics) -> None:
        """Of a step's answers."""
        recent = metrics.kl if self._recent is None else self._recent
        self._set(MEMORY * recent + (1 - MEMORY) * metrics.kl, metrics.kl_per_token)

    def _set(self, recent: float, rate: float) -> None:
        self._recent, self.rate = recent, rate
        left = 1 - recent / self.wall if self.wall else 0.0
        self.now = self.beta / min(max(left, NEAREST), 1.0)

    def state(self) -> dict[str, Tensor]:
        """What a resumed run needs."""
        if self._recent is None:
            return {}
        return {"divergence_price": torch.tensor([self._recent, self.rate])}

    def restore(self, state: dict[str, Tensor]) -> None:
        """The inverse of `state`; an empty one changes nothing."""
        if "divergence_price" in state:
            self._set(*state["divergence_price"].tolist())
