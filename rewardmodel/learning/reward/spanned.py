"""Features as a head is fitted to them: scaled, and along the directions that they span."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from rewardmodel.learning.reward.head import Comparisons, comparisons_of
from rewardmodel.learning.reward.preferences import PreferenceTarget
from rewardmodel.learning.reward.probe import Recipe

LENGTH_SPREAD = 1.0
"""The standard deviation, before anything is learned, of what the length says of an answer: one
number that a few rankings tell, so a weak prior of its own."""
MOST_DIRECTIONS = 512
"""Of hidden features. In the narrower ones answers of one prompt hardly differ, and the prior lets
hardly anything be learned there; a fit costs their number to the third."""
MORE_DIRECTIONS = 128


@dataclass(frozen=True)
class SpannedFeatures:
    """A recipe's features of the training groups, in coordinates that a head is quickly fitted in.

    Of the `width` features the first `hidden` are hidden ones; the length, where it is read, is the
    last. Each is divided by its `scale`, so that within groups it has the deviation 1. `basis` has
    orthonormal columns: the first `spanned` are directions of hidden features, then the length.
    """

    data: Comparisons  # features [G, K, small]
    scale: Float[Tensor, " width"]
    basis: Float[Tensor, "width small"]
    hidden: int
    spanned: int

    def prior(self, spread: float) -> Float[Tensor, " small"]:
        """The precision of each weight, where all hidden features together say `spread`."""
        prior = torch.full((self.basis.shape[1],), LENGTH_SPREAD**-2, dtype=torch.float64)
        prior[: self.spanned] = self.hidden / spread**2
        return prior


def spanned_features(
    recipe: Recipe,
    features: Sequence[Float[Tensor, "_ width"]],
    targets: Sequence[PreferenceTarget],
) -> SpannedFeatures:
    """Of groups whose answers have these features."""
    data = comparisons_of(features, targets)  # centred in each group
    answers = sum(map(len, features))
    scale = data.features.flatten(0, 1).pow(2).sum(0).div(answers).sqrt().clamp(min=1e-6)
    scaled = Comparisons(data.features / scale, data.shares, data.weights)
    hidden = len(scale) - int(recipe.length)
    directions = _directions(scaled.features.flatten(0, 1), hidden)
    length = torch.eye(int(recipe.length), dtype=directions.dtype)
    basis: Tensor = torch.block_diag(directions, length)  # type: ignore[no-untyped-call]
    return SpannedFeatures(scaled.times(basis), scale, basis, hidden, directions.shape[1])


def _directions(rows: Float[Tensor, "n width"], hidden: int) -> Float[Tensor, "hidden spanned"]:
    """Orthonormal directions that the hidden features span, at most MOST_DIRECTIONS, the widest.

    The prior is the same in all of them, so any basis will do: where it would not be smaller, the
    features themselves.
    """
    if hidden <= min(len(rows), MOST_DIRECTIONS):
        return torch.eye(hidden, dtype=rows.dtype)
    answers = rows[rows.any(1), :hidden]  # without what groups were filled up with
    directions: Tensor = torch.linalg.qr(_principal(answers.float()).to(rows.dtype)).Q
    return directions


def _principal(rows: Float[Tensor, "n hidden"]) -> Float[Tensor, "hidden spanned"]:
    """The widest directions of the rows, nearly orthonormal: eigenvectors of rows^T rows, by way of
    rows rows^T where that is smaller."""
    if rows.shape[1] <= len(rows):
        _, vectors = _widest(rows.T @ rows)
        return vectors
    sizes, vectors = _widest(rows @ rows.T)
    return rows.T @ (vectors / sizes.sqrt())


def _widest(square: Float[Tensor, "n n"]) -> tuple[Float[Tensor, " m"], Float[Tensor, "n m"]]:
    """The largest eigenvalues, smallest first, and their vectors; in twice the digits, and time,
    where it does not converge. Of a large matrix within a space that holds the widest directions,
    at a third of the time: the narrowest of these are then not exactly the next ones."""
    if len(square) > 2 * MOST_DIRECTIONS:
        space = _space_of_the_widest(square)
        sizes, vectors = _widest(space.T @ square @ space)
        return sizes, space @ vectors
    try:
        sizes, vectors = torch.linalg.eigh(square)
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
        sizes, vectors = torch.linalg.eigh(square.double())
    sizes, vectors = sizes.to(square), vectors.to(square)
    kept = (sizes > sizes.max() * 1e-6).nonzero()[-MOST_DIRECTIONS:, 0]
    return sizes[kept], vectors[:, kept]


def _space_of_the_widest(square: Float[Tensor, "n n"]) -> Float[Tensor, "n m"]:
    """An orthonormal basis of a space of MORE_DIRECTIONS than are wanted, which holds nearly all of
    the widest (randomized range finder, Halko et al., arXiv 0909.4061, algorithm 4.4)."""
    chance = torch.Generator().manual_seed(0)
    space = torch.randn(len(square), MOST_DIRECTIONS + MORE_DIRECTIONS, generator=chance)
    for _ in range(2):
        space = torch.linalg.qr(square @ space.to(square)).Q
    return space
