"""Which answers to show: those whose ranking tells most about the head."""

from __future__ import annotations

from itertools import combinations
from math import comb
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from rewardmodel.learning.reward.probe import Head

DRAWS = 64
MOST_SETS = 5_000


def choice_variances(
    head: Head, features: Float[Tensor, "N width"], seed: int = 0
) -> Float[Tensor, "N N"]:
    """Of each pair, the variance over the posterior of the chance that one is preferred.

    What a posterior is sure of varies little, and so does what it knows to be a coin's throw
    (variance-based information-directed sampling, arXiv 1403.5556, as in arXiv 2402.00396).
    """
    centred = (features - features.mean(0)).double()
    covariance = centred @ head.covariance.double() @ centred.T
    sizes, directions = torch.linalg.eigh(covariance)
    root = directions * sizes.clamp(min=0).sqrt()
    noise = torch.randn(
        len(features), DRAWS, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    scores = (centred @ head.weights.double())[:, None] + root @ noise
    chances = (scores[:, None] - scores[None]).sigmoid()
    return cast(Tensor, chances.var(-1))


def most_telling(variances: Float[Tensor, "N N"], count: int) -> list[int]:
    """The `count` answers whose pairs vary most together; one after the other where there are too
    many sets to look at all."""
    places = range(len(variances))
    if comb(len(variances), count) <= MOST_SETS:
        sets = torch.tensor(list(combinations(places, count)))
        together = variances[sets[:, :, None], sets[:, None, :]].sum((1, 2))
        return sorted(sets[together.argmax()].tolist())
    chosen = list(divmod(int(variances.argmax()), len(variances)))
    while len(chosen) < count:
        left = [place for place in places if place not in chosen]
        chosen.append(max(left, key=lambda place: float(variances[place, chosen].sum())))
    return sorted(chosen)
