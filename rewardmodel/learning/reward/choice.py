"""What a head reads, and how strongly it is held to zero: chosen by what folds of prompts say."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rewardmodel.learning.reward.features import POOLINGS
from rewardmodel.learning.reward.head import (
    Comparisons,
    Minimum,
    comparisons_of,
    fit_head,
    minimise,
)
from rewardmodel.learning.reward.preferences import PreferenceTarget
from rewardmodel.learning.reward.probe import Head, Recipe, chosen_features

FOLDS = 5
SPREADS = (0.1, 0.18, 0.32, 0.56, 1.0, 1.8, 3.2, 5.6, 10.0)
"""Standard deviations, before anything is learned, of what all hidden features say of an answer."""
FIRST_SPREAD = 1.8
LENGTH_SPREAD = 1.0
"""The same for the length, one number that a few rankings tell: a weak prior of its own."""
ROUGHLY = 1e-3
"""Enough for a comparison: the largest gradient of a fold's fit."""
MOST_DIRECTIONS = 512
"""Of hidden features. In the narrower ones answers of one prompt hardly differ, and the prior lets
hardly anything be learned there; a fit costs their number to the third."""
TEMPERATURES = torch.logspace(-2, 1, 121, base=4.0, dtype=torch.float64)
CAUTION = 0.5
"""Standard errors of the folds' log loss that a head gives away to be less sure: of many recipes
the best on folds is partly so by chance, the more the fewer rankings there are."""


@dataclass(frozen=True)
class Trial:
    """A recipe at its best spread: means over comparisons of folds that it did not learn from."""

    recipe: Recipe
    spread: float
    log_loss: float
    accuracy: float | None


@dataclass(frozen=True)
class Choice:
    """The head that folds chose, and all trials, the chosen one first.

    `temperature` is what its scores were multiplied with, so that they are as sure as they are
    right on the folds. `outside` are each group's scores by a head that did not see its prompt.
    """

    head: Head
    trials: list[Trial]
    temperature: float
    outside: list[Float[Tensor, " _"]]

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
    """Of a model's layers, six from the bottom to the top."""
    return tuple(sorted({max(1, round(count * part / 6)) for part in range(1, 7)}))


def first_recipes(layers: Sequence[int]) -> list[Recipe]:
    """The length alone, each layer's mean, and what reward models mostly read: the last token in
    the last layer."""
    return [
        Recipe((), ()),
        *(Recipe((layer,), ("mean",)) for layer in layers),
        Recipe((layers[-1],), ("end",), length=False),
    ]


def second_recipes(first: Sequence[Trial]) -> list[Recipe]:
    """More of what was best: its last token as well, the next best layer beside it, and both."""
    means = [each for each in first if each.recipe.poolings == ("mean",)]
    best = sorted(means, key=lambda each: each.log_loss)
    [layer] = best[0].recipe.layers
    found = [Recipe((layer,), POOLINGS)]
    if len(best) > 1:
        both = tuple(sorted((layer, *best[1].recipe.layers)))
        found += [Recipe(both, ("mean",)), Recipe(both, POOLINGS)]
    return found


def choose_head(
    hidden: Sequence[Float[Tensor, "_ layers poolings hidden"]],
    layers: Sequence[int],
    lengths: Sequence[Float[Tensor, " _"]],
    targets: Sequence[PreferenceTarget],
    prompts: Sequence[str],
    only: Sequence[Recipe] | None = None,
    near: float = FIRST_SPREAD,
) -> Choice:
    """The recipe with the least log loss on folds, fitted to all groups.

    `prompts` says which groups share one: they are never on both sides of a fold. `only` leaves no
    choice but these recipes; their spreads are looked for from `near` on, one of SPREADS.
    """
    folds = folds_of(prompts)

    def tried(recipes: Sequence[Recipe]) -> list[tuple[Trial, Tensor, _Folded]]:
        found = []
        for recipe in recipes:
            features = [
                chosen_features(recipe, layers, *both) for both in zip(hidden, lengths, strict=True)
            ]
            folded = _folded(recipe, features, targets)
            found.append((*_best_spread(recipe, folded, folds, near), folded))
        return found

    every = tried(only or first_recipes(layers))
    if only is None:
        every += tried(second_recipes([trial for trial, _, _ in every]))
    trial, outside, folded = min(every, key=lambda each: each[0].log_loss)
    temperature = cautious_temperature(folded.data, outside)
    others = sorted((t for t, _, _ in every if t is not trial), key=lambda t: t.log_loss)
    scores = [
        (temperature * each[: len(own)]).float() for each, own in zip(outside, lengths, strict=True)
    ]
    return Choice(_head(trial, folded, temperature), [trial, *others], temperature, scores)


def folds_of(prompts: Sequence[str]) -> Int[Tensor, " G"]:
    """A fold for each group; as many groups as prompts, where there is only one prompt."""
    distinct = sorted(set(prompts))
    if len(distinct) < 2:
        return torch.arange(len(prompts)) % FOLDS
    random.Random(0).shuffle(distinct)
    place = {prompt: number % FOLDS for number, prompt in enumerate(distinct)}
    return torch.tensor([place[prompt] for prompt in prompts])


def _folded(
    recipe: Recipe, features: Sequence[Tensor], targets: Sequence[PreferenceTarget]
) -> _Folded:
    data = comparisons_of(features, targets)
    flat = data.features.flatten(0, 1)
    scale = flat.pow(2).sum(0).div(sum(map(len, features))).sqrt().clamp(min=1e-6)
    data = Comparisons(data.features / scale, data.shares, data.weights)
    width = len(scale)
    hidden = width - int(recipe.length)
    basis, spanned = _basis(data.features.flatten(0, 1), hidden)
    return _Folded(data.times(basis), scale, basis, hidden, spanned)


def _basis(flat: Float[Tensor, "N width"], hidden: int) -> tuple[Tensor, int]:
    """Directions that the hidden features span, at most MOST_DIRECTIONS of them, the widest; the
    length stays as it is. The prior is the same in all directions, so any basis of them will do.
    """
    width = flat.shape[1]
    if hidden <= min(len(flat), MOST_DIRECTIONS):
        return torch.eye(width, dtype=flat.dtype), hidden
    block = flat[flat.any(1), :hidden].float()  # without what groups were filled up with
    is_tall = hidden <= len(block)
    sizes, found = _eigen(block.T @ block if is_tall else block @ block.T)
    kept = (sizes > sizes.max() * 1e-6).nonzero()[-MOST_DIRECTIONS:, 0]
    directions = found[:, kept] if is_tall else block.T @ (found[:, kept] / sizes[kept].sqrt())
    directions = torch.linalg.qr(directions.to(flat.dtype)).Q
    spanned = directions.shape[1]
    basis = flat.new_zeros(width, spanned + width - hidden)
    basis[:hidden, :spanned] = directions
    basis[hidden:, spanned:] = torch.eye(width - hidden, dtype=flat.dtype)
    return basis, spanned


def _eigen(square: Float[Tensor, "n n"]) -> tuple[Float[Tensor, " n"], Float[Tensor, "n n"]]:
    """Eigenvalues and vectors; in twice the digits, and time, where it does not converge."""
    try:
        sizes, found = torch.linalg.eigh(square)
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
        sizes, found = torch.linalg.eigh(square.double())
    return sizes.to(square), found.to(square)


def _best_spread(
    recipe: Recipe, folded: _Folded, folds: Int[Tensor, " G"], near: float
) -> tuple[Trial, Float[Tensor, "G K"]]:
    """The trial, and each group's scores by a head that did not see its prompt.

    Goes from one spread to the next as long as the folds' log loss falls.
    """
    parts = {fold: folded.data.of(folds != fold) for fold in sorted(set(folds.tolist()))}
    starts: dict[int, Minimum] = {}
    known: dict[int, tuple[Trial, Tensor]] = {}

    def at(place: int) -> tuple[Trial, Tensor]:
        if place not in known:
            prior = folded.prior(SPREADS[place])
            outside = torch.zeros(folded.data.shares.shape[:2], dtype=torch.float64)
            curvature = None  # of other groups, but much like this fold's
            for fold, others in parts.items():
                last = starts.get(fold)
                start, curvature = (last.weights, last.curvature) if last else (None, curvature)
                starts[fold] = minimise(others, prior, start, curvature, ROUGHLY)
                curvature = starts[fold].curvature
                outside[folds == fold] = folded.data.features[folds == fold] @ starts[fold].weights
            known[place] = Trial(recipe, SPREADS[place], *_judged(folded.data, outside)), outside
        return known[place]

    def loss(place: int) -> float:
        return at(place)[0].log_loss

    best = SPREADS.index(near)
    if recipe.layers:
        for step in (1, -1):
            while 0 <= best + step < len(SPREADS) and loss(best + step) < loss(best):
                best += step
    return at(best)


def _judged(data: Comparisons, scores: Float[Tensor, "G K"]) -> tuple[float, float | None]:
    """Mean log loss and accuracy over the comparisons, as they weigh; None where people were of two
    minds about each."""
    differences = scores[:, :, None] - scores[:, None, :]
    strict = data.weights * (data.shares != 0.5)
    right = (differences.sign() * (2 * data.shares - 1).sign() + 1) / 2
    loss = losses_by_group(data, scores).sum() / data.weights.sum()
    accuracy = (strict * right).sum() / strict.sum() if strict.any() else None
    return loss.item(), None if accuracy is None else accuracy.item()


def losses_by_group(data: Comparisons, scores: Float[Tensor, "G K"]) -> Float[Tensor, " G"]:
    """Each group's log loss, summed over its comparisons as they weigh."""
    differences = scores[:, :, None] - scores[:, None, :]
    losses = torch.nn.functional.softplus(differences) - data.shares * differences
    return (data.weights * losses).sum((1, 2))


def cautious_temperature(data: Comparisons, outside: Float[Tensor, "G K"]) -> float:
    """What makes the scores of the folds most likely (Platt 1999, one parameter); or rather the
    least whose loss lies within CAUTION standard errors of that one's, group by group."""
    losses = torch.stack([losses_by_group(data, outside * factor) for factor in TEMPERATURES])
    weights = data.weights.sum((1, 2))
    best = int(losses.sum(1).argmin())
    more = losses[: best + 1] - losses[best]
    means = more.sum(1) / weights.sum()
    spread = (more - means[:, None] * weights).pow(2).sum(1)
    groups = len(weights)
    errors = (spread * groups / max(groups - 1, 1)).sqrt() / weights.sum()
    within = (means <= CAUTION * errors).nonzero()[0]
    return float(TEMPERATURES[int(within)])


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
