"""A linear head on fixed features: a convex fit, with the posterior of its weights.

The model is Bradley and Terry's (1952) with utilities w . x and a normal prior on w; its maximum is
found by Newton's method, and the posterior is Laplace's approximation there (MacKay 1992).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rewardmodel.learning.reward.preferences import PreferenceTarget

SEARCH_STEPS = 200
SLOWLY = 0.65
"""Of the largest gradient, what a step may leave before the curvature is computed anew."""
GRADIENT_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Comparisons:
    """G groups of at most K answers, filled up with answers that are compared with nothing.

    `shares` as from `preference_shares`; `weights` is how much each comparison counts, symmetric.
    """

    features: Float[Tensor, "G K width"]
    shares: Float[Tensor, "G K K"]
    weights: Float[Tensor, "G K K"]

    def of(self, groups: Bool[Tensor, " G"]) -> Comparisons:
        return Comparisons(self.features[groups], self.shares[groups], self.weights[groups])

    def roughly(self) -> Comparisons:
        """In single precision, which is twice as fast and enough for a direction."""
        return Comparisons(self.features.float(), self.shares.float(), self.weights.float())

    def times(self, factor: Float[Tensor, "width w"]) -> Comparisons:
        return Comparisons(self.features @ factor, self.shares, self.weights)


def comparisons_of(
    features: Sequence[Float[Tensor, "_ width"]], targets: Sequence[PreferenceTarget]
) -> Comparisons:
    """A group of K answers counts as K - 1 comparisons, times its weight: so many answers a labeler
    sets apart one after the other. It is less where not all answers were compared, not even by way
    of others."""
    most = max(len(group) for group in features)
    shape = (len(features), most)
    x = torch.zeros(*shape, features[0].shape[-1], dtype=torch.float64)
    shares = torch.full((*shape, most), 0.5, dtype=torch.float64)
    weights = torch.zeros_like(shares)
    for number, (group, target) in enumerate(zip(features, targets, strict=True)):
        count = len(group)
        x[number, :count] = group.double() - group.double().mean(0)  # only differences matter
        shares[number, :count, :count] = target.shares.double().nan_to_num(0.5)
        weights[number, :count, :count] = _weights(target)
    return Comparisons(x, shares, weights)


def _weights(target: PreferenceTarget) -> Float[Tensor, "K K"]:
    made = (~target.shares.isnan()).double().fill_diagonal_(0)
    count = len(made)
    if made.sum() == count * (count - 1):
        return 2 / count * target.weight * made
    laplacian = made.sum(0).diag() - made
    set_apart = torch.linalg.matrix_rank(laplacian, hermitian=True)
    each: Tensor = 2 * set_apart / made.sum() * target.weight
    return each * made


@dataclass(frozen=True)
class Fit:
    """The most likely weights, and the precision of their posterior (its inverse covariance)."""

    weights: Float[Tensor, " width"]
    precision: Float[Tensor, "width width"]


def fit_head(
    data: Comparisons,
    prior: Float[Tensor, " width"],
    start: Float[Tensor, " width"] | None = None,
    tolerance: float = GRADIENT_TOLERANCE,
) -> Fit:
    """Minimises sum c_ij H(share_ij, sigmoid(s_i - s_j)) + w . diag(prior) w / 2 over pairs i < j.

    s = w . x, H the cross-entropy in nats, `prior` the precision of each weight. Strictly convex:
    the answer does not depend on `start`. `tolerance` is of the largest gradient.
    """
    found = minimise(data, prior, start, None, tolerance)
    return Fit(found.weights, curvature_at(data, found.weights) + torch.diag(prior))


@dataclass(frozen=True)
class Minimum:
    """Where a search ended, and the curvature of the data that it went by last."""

    weights: Float[Tensor, " width"]
    curvature: Float[Tensor, "width width"] | None


def minimise(
    data: Comparisons,
    prior: Float[Tensor, " width"],
    start: Float[Tensor, " width"] | None,
    curvature: Float[Tensor, "width width"] | None,
    tolerance: float,
) -> Minimum:
    """Newton's method, whose curvature is computed anew only where the last one leads on slowly:
    that costs the square of the width, and a gradient only the width. One from a search nearby, as
    with another prior, is good to begin with. The arguments are otherwise those of `fit_head`."""
    width = data.features.shape[-1]
    w = torch.zeros(width, dtype=data.features.dtype) if start is None else start
    loss, gradient = _slope(data, prior, w)
    factor: Tensor | None = None
    for _ in range(SEARCH_STEPS):
        before = gradient.abs().max()
        if before < tolerance:
            break
        if curvature is None:
            curvature = curvature_at(data.roughly(), w.float()).to(w)
        if factor is None:
            factor = torch.linalg.cholesky(curvature + torch.diag(prior))
        step = torch.cholesky_solve(gradient[:, None], factor)[:, 0]
        scale = 1.0
        while (moved := _slope(data, prior, w - scale * step))[0] > loss and scale > 1e-6:
            scale /= 2
        w = w - scale * step
        loss, gradient = moved
        if gradient.abs().max() > SLOWLY * before:
            curvature = factor = None
    return Minimum(w, curvature)


def _slope(
    data: Comparisons, prior: Tensor, w: Tensor
) -> tuple[Float[Tensor, ""], Float[Tensor, " width"]]:
    """The loss at w, and its gradient."""
    scores = data.features @ w
    differences = scores[:, :, None] - scores[:, None, :]
    # Each pair stands twice, as (i, j) and (j, i), with the same loss.
    entropy = torch.nn.functional.softplus(differences) - data.shares * differences
    loss = (data.weights * entropy).sum() / 2 + (prior * w * w).sum() / 2
    pull = (data.weights * (differences.sigmoid() - data.shares)).sum(2)
    return loss, pull.flatten() @ data.features.flatten(0, 1) + prior * w


def curvature_at(data: Comparisons, w: Float[Tensor, " width"]) -> Float[Tensor, "width width"]:
    """The Hessian of the loss at w, without the prior's part."""
    scores = data.features @ w
    chance = (scores[:, :, None] - scores[:, None, :]).sigmoid()
    bent = data.weights * chance * (1 - chance)
    laplacian = torch.diag_embed(bent.sum(2)) - bent
    flat = data.features.flatten(0, 1)
    curvature: Tensor = flat.T @ (laplacian @ data.features).flatten(0, 1)
    return curvature
