"""What a head reads, and how strongly it is held to zero: chosen by what folds of prompts say."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rewardmodel.learning.reward.head import Comparisons, comparisons_of, fit_head
from rewardmodel.learning.reward.preferences import Target
from rewardmodel.learning.reward.probe import Head, Recipe, chosen_features

FOLDS = 5
SPREADS = (0.1, 0.18, 0.32, 0.56, 1.0, 1.8, 3.2)
"""Standard deviations, before anything is learned, of what all hidden features say of an answer."""
LENGTH_SPREAD = 1.0
"""The same for the length, one number that a few rankings tell: a weak prior of its own."""
TEMPERATURES = torch.logspace(-1, 1, 81, base=4.0, dtype=torch.float64)


@dataclass(frozen=True)
class Trial:
    """A recipe at its best spread: means over comparisons of folds that it did not learn from."""

    recipe: Recipe
    spread: float
    log_loss: float
    accuracy: float


@dataclass(frozen=True)
class Choice:
    """The head that folds chose, and all trials, the chosen one first.

    `temperature` is what its scores were multiplied with, so that they are as sure as they are
    right on the folds.
    """

    head: Head
    trials: list[Trial]
    temperature: float

    def report(self) -> dict[str, Any]:
        """For result.json: what was tried, with its figures on the folds."""
        tried = [{**asdict(each), "recipe": each.recipe.name} for each in self.trials]
        return {
            "recipe": self.head.recipe.name,
            "temperature": self.temperature,
            "tried": tried,
        }


@dataclass(frozen=True)
class _Folded:
    """A recipe's features of the training groups: within groups each has the deviation 1."""

    data: Comparisons
    scale: Float[Tensor, " width"]
    basis: Float[Tensor, "width small"]
    hidden: int
    spanned: int

    def prior(self, spread: float) -> Float[Tensor, " small"]:
        """The precision of each weight."""
        prior = torch.full((self.basis.shape[1],), LENGTH_SPREAD**-2, dtype=torch.float64)
        prior[: self.spanned] = self.hidden / spread**2
        return prior


def layers_to_read(count: int) -> tuple[int, ...]:
    """Of a model's layers, from a third of the way up."""
    return tuple(sorted({max(1, round(count * part / 6)) for part in (2, 3, 4, 5, 6)}))


def recipes(layers: Sequence[int]) -> list[Recipe]:
    """What is tried. The last of them is what reward models mostly read: one token, last layer."""
    return [
        Recipe((), ()),
        *(Recipe((layer,), ("mean",)) for layer in layers),
        Recipe(tuple(layers), ("mean",)),
        Recipe(tuple(layers), ("mean", "end")),
        Recipe((layers[-1],), ("end",), length=False),
    ]


def choose_head(
    hidden: Sequence[Float[Tensor, "_ layers poolings hidden"]],
    layers: Sequence[int],
    lengths: Sequence[Float[Tensor, " _"]],
    targets: Sequence[Target],
    prompts: Sequence[str],
) -> Choice:
    """The recipe with the least log loss on folds, fitted to all groups.

    `prompts` says which groups share one: they are never on both sides of a fold.
    """
    folds = folds_of(prompts)
    tried = []
    for recipe in recipes(layers):
        features = [
            chosen_features(recipe, layers, *both) for both in zip(hidden, lengths, strict=True)
        ]
        folded = _folded(recipe, features, targets)
        tried.append((*_best_spread(recipe, folded, folds), folded))
    trial, outside, folded = min(tried, key=lambda each: each[0].log_loss)
    temperature = _temperature(folded.data, outside)
    others = sorted((t for t, _, _ in tried if t is not trial), key=lambda t: t.log_loss)
    return Choice(_head(trial, folded, temperature), [trial, *others], temperature)


def folds_of(prompts: Sequence[str]) -> Int[Tensor, " G"]:
    """A fold for each group; as many groups as prompts, where there is only one prompt."""
    distinct = sorted(set(prompts))
    if len(distinct) < 2:
        return torch.arange(len(prompts)) % FOLDS
    random.Random(0).shuffle(distinct)
    place = {prompt: number % FOLDS for number, prompt in enumerate(distinct)}
    return torch.tensor([place[prompt] for prompt in prompts])


def _folded(recipe: Recipe, features: Sequence[Tensor], targets: Sequence[Target]) -> _Folded:
    data = comparisons_of(features, targets)
    flat = data.features.flatten(0, 1)
    scale = flat.pow(2).sum(0).div(sum(map(len, features))).sqrt().clamp(min=1e-6)
    data = Comparisons(data.features / scale, data.shares, data.weights)
    width = len(scale)
    hidden = width - int(recipe.length)
    basis, spanned = _basis(data.features.flatten(0, 1), hidden)
    return _Folded(data.times(basis), scale, basis, hidden, spanned)


def _basis(flat: Float[Tensor, "N width"], hidden: int) -> tuple[Tensor, int]:
    """Directions that the hidden features span, fewer than they are; the length stays as it is."""
    width = flat.shape[1]
    _, sizes, rows = torch.linalg.svd(flat[:, :hidden], full_matrices=False)
    kept = rows[sizes > sizes.max() * 1e-6] if hidden else rows
    basis = flat.new_zeros(width, len(kept) + width - hidden)
    basis[:hidden, : len(kept)] = kept.T
    basis[hidden:, len(kept) :] = torch.eye(width - hidden, dtype=flat.dtype)
    return basis, len(kept)


def _best_spread(
    recipe: Recipe, folded: _Folded, folds: Int[Tensor, " G"]
) -> tuple[Trial, Float[Tensor, "G K"]]:
    """The trial, and each group's scores by a head that did not see its prompt."""
    best = Trial(recipe, SPREADS[0], math.inf, 0.0), torch.empty(0)
    starts: dict[int, Tensor] = {}
    for spread in SPREADS if recipe.layers else SPREADS[:1]:
        outside = torch.zeros(folded.data.shares.shape[:2], dtype=torch.float64)
        for fold in sorted(set(folds.tolist())):
            learned = fit_head(
                folded.data.of(folds != fold), folded.prior(spread), starts.get(fold)
            ).weights
            starts[fold] = learned
            outside[folds == fold] = folded.data.features[folds == fold] @ learned
        loss, accuracy = _judged(folded.data, outside)
        if loss < best[0].log_loss:
            best = Trial(recipe, spread, loss, accuracy), outside
    return best


def _judged(data: Comparisons, scores: Float[Tensor, "G K"]) -> tuple[float, float]:
    """Mean log loss and accuracy over the comparisons, as they weigh."""
    differences = scores[:, :, None] - scores[:, None, :]
    losses = torch.nn.functional.softplus(differences) - data.shares * differences
    strict = data.weights * (data.shares != 0.5)
    right = (differences.sign() * (2 * data.shares - 1).sign() + 1) / 2
    loss = (data.weights * losses).sum() / data.weights.sum()
    accuracy = (strict * right).sum() / strict.sum()
    return loss.item(), accuracy.item()


def _temperature(data: Comparisons, outside: Float[Tensor, "G K"]) -> float:
    """What makes the scores of the folds most likely (Platt 1999, one parameter)."""
    losses = [_judged(data, outside * factor)[0] for factor in TEMPERATURES]
    return float(TEMPERATURES[losses.index(min(losses))])


def _head(trial: Trial, folded: _Folded, temperature: float) -> Head:
    """Fitted to all groups, for features as they are read."""
    prior = folded.prior(trial.spread)
    fit = fit_head(folded.data, prior)
    basis, hidden = folded.basis, folded.hidden
    covariance = basis @ torch.cholesky_inverse(torch.linalg.cholesky(fit.precision)) @ basis.T
    if hidden:  # what the groups span nothing of is as uncertain as before
        unseen = torch.eye(hidden, dtype=basis.dtype) - (basis @ basis.T)[:hidden, :hidden]
        covariance[:hidden, :hidden] += unseen * trial.spread**2 / hidden
    weights = basis @ fit.weights / folded.scale * temperature
    covariance = covariance / folded.scale / folded.scale[:, None] * temperature**2
    return Head(trial.recipe, weights.float(), covariance.float())
