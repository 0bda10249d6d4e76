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
    fit_head,
    minimise,
)
from rewardmodel.learning.reward.preferences import PreferenceTarget
from rewardmodel.learning.reward.probe import Head, Recipe, chosen_features
from rewardmodel.learning.reward.spanned import SpannedFeatures, spanned_features

FOLDS = 5
SPREADS = (0.1, 0.18, 0.32, 0.56, 1.0, 1.8, 3.2, 5.6, 10.0)
"""Standard deviations, before anything is learned, of what all hidden features say of an answer."""
FIRST_SPREAD = 1.8
ROUGHLY = 1e-3
"""Enough for a comparison: the largest gradient of a fold's fit."""
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
class _Tried:
    """A trial, the features it was made with, and `outside`, each group's scores by a head that did
    not see its prompt."""

    trial: Trial
    features: SpannedFeatures
    outside: Float[Tensor, "G K"]


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

    def tried(recipe: Recipe) -> _Tried:
        read = [chosen_features(recipe, layers, *own) for own in zip(hidden, lengths, strict=True)]
        return _SpreadSearch(recipe, spanned_features(recipe, read, targets), folds).best(near)

    every = [tried(recipe) for recipe in only or first_recipes(layers)]
    if only is None:
        every += [tried(recipe) for recipe in second_recipes([each.trial for each in every])]
    best = min(every, key=lambda each: each.trial.log_loss)
    others = [each.trial for each in every if each is not best]
    trials = [best.trial, *sorted(others, key=lambda trial: trial.log_loss)]
    temperature = cautious_temperature(best.features.data, best.outside)
    scores = [
        (temperature * filled[: len(own)]).float()
        for filled, own in zip(best.outside, lengths, strict=True)
    ]
    return Choice(fitted_head(best.trial, best.features, temperature), trials, temperature, scores)


def folds_of(prompts: Sequence[str]) -> Int[Tensor, " G"]:
    """A fold for each group; as many groups as prompts, where there is only one prompt."""
    distinct = sorted(set(prompts))
    if len(distinct) < 2:
        return torch.arange(len(prompts)) % FOLDS
    random.Random(0).shuffle(distinct)
    place = {prompt: number % FOLDS for number, prompt in enumerate(distinct)}
    return torch.tensor([place[prompt] for prompt in prompts])


class _SpreadSearch:
    """A recipe's trials at one spread and another, each fitted once."""

    def __init__(self, recipe: Recipe, features: SpannedFeatures, folds: Int[Tensor, " G"]) -> None:
        self.recipe, self.features, self.folds = recipe, features, folds
        numbers = sorted(set(folds.tolist()))
        self.without = {fold: features.data.of(folds != fold) for fold in numbers}
        self.minima: dict[int, Minimum] = {}  # of the last spread, by the fold left out
        self.tried: dict[int, _Tried] = {}  # by the place of the spread

    def best(self, near: float) -> _Tried:
        """Goes from one spread to the next as long as the folds' log loss falls."""
        place = SPREADS.index(near)
        if self.recipe.layers:
            for step in (1, -1):
                while 0 <= place + step < len(SPREADS) and self._gains(place + step, place):
                    place += step
        return self._at(place)

    def _gains(self, place: int, before: int) -> bool:
        return self._at(place).trial.log_loss < self._at(before).trial.log_loss

    def _at(self, place: int) -> _Tried:
        if place not in self.tried:
            outside = self._outside(self.features.prior(SPREADS[place]))
            trial = Trial(self.recipe, SPREADS[place], *judged(self.features.data, outside))
            self.tried[place] = _Tried(trial, self.features, outside)
        return self.tried[place]

    def _outside(self, prior: Float[Tensor, " small"]) -> Float[Tensor, "G K"]:
        """Each group's scores by the head of the other folds."""
        outside = torch.zeros(self.features.data.shares.shape[:2], dtype=torch.float64)
        curvature = None
        for fold, others in self.without.items():
            last = self.minima.get(fold)
            # At first another fold's curvature: of other groups, but much like this one's.
            start, curvature = (last.weights, last.curvature) if last else (None, curvature)
            found = minimise(others, prior, start, curvature, ROUGHLY)
            self.minima[fold], curvature = found, found.curvature
            held = self.folds == fold
            outside[held] = self.features.data.features[held] @ found.weights
        return outside


def judged(data: Comparisons, scores: Float[Tensor, "G K"]) -> tuple[float, float | None]:
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


def fitted_head(trial: Trial, features: SpannedFeatures, temperature: float) -> Head:
    """Fitted to all groups, for features as they are read."""
    fit = fit_head(features.data, features.prior(trial.spread))
    basis, scale, hidden = features.basis, features.scale, features.hidden
    told = torch.cholesky_inverse(torch.linalg.cholesky(fit.precision))
    # What the groups span nothing of is as uncertain as before: there is but the prior.
    before = trial.spread**2 / max(hidden, 1)
    told.diagonal()[: features.spanned] -= before
    covariance = basis @ told @ basis.T
    covariance.diagonal()[:hidden] += before
    weights = basis @ fit.weights / scale * temperature
    covariance = covariance / scale / scale[:, None] * temperature**2
    return Head(trial.recipe, weights.float(), covariance.float())
