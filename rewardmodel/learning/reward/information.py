"""Which answers to show: those whose ranking tells most about the head."""

from __future__ import annotations

from itertools import combinations
from math import comb

import torch
from jaxtyping import Float
from numpy.polynomial.hermite_e import hermegauss
from torch import Tensor

from rewardmodel.learning.reward.probe import Head

POINTS = 32
MOST_SETS = 5_000


def choice_variances(head: Head, features: Float[Tensor, "N width"]) -> Float[Tensor, "N N"]:
    """Of each pair, the variance over the posterior of the chance that one is preferred.

    What a posterior is sure of varies little, and so does what it knows to be a coin's throw
    (variance-based information-directed sampling, arXiv 1403.5556, as in arXiv 2402.00396). How far
    two scores lie apart is normal, so that one Gauss-Hermite sum gives both moments of the chance.
    """
    centred = (features - features.mean(0)).double()
    scores = centred @ head.weights.double()
    covariance = centred @ head.covariance.double() @ centred.T
    own = covariance.diagonal()
    deviations = (own[:, None] + own - 2 * covariance).clamp(min=0).sqrt()
    points, weights = map(torch.from_numpy, hermegauss(POINTS))
    apart = (scores[:, None] - scores)[..., None] + deviations[..., None] * points
    chances, weights = apart.sigmoid(), weights / weights.sum()
    mean = chances @ weights
    return (chances.square() @ weights - mean.square()).clamp(min=0)


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
