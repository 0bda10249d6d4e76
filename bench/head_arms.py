"""The heads that bench/heads.py compares, each fitted and chosen on the same folds.

What an arm gives are, for each held-out group, the chances that one answer is preferred to another.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from rewardmodel.learning.core.snapshot_rows import GroupRow
from rewardmodel.learning.reward.choice import (
    SPREADS,
    TEMPERATURES,
    cautious_temperature,
    losses_by_group,
)
from rewardmodel.learning.reward.head import Comparisons, comparisons_of, curvature_at
from rewardmodel.learning.reward.preferences import PreferenceTarget
from rewardmodel.learning.reward.probe import Recipe

Loss = Callable[[Tensor, Comparisons], Tensor]
MEMBERS, DIRECTIONS = 10, 64
TRIED = SPREADS[1::2]
"""For all arms: a second part of what `train_reward.py` tries."""


@dataclass(frozen=True)
class Split:
    """Features of the groups to learn from, of the held-out ones, and of all that may be read."""

    learned: list[Tensor]
    test: list[Tensor]
    pool: Tensor
    targets: list[PreferenceTarget]
    rows: list[GroupRow]
    folds: Tensor


def pairs_loss(scores: Tensor, data: Comparisons) -> Tensor:
    """Bradley and Terry: -log sigmoid of the difference, a tie counting one half."""
    return losses_by_group(data, scores).sum() / 2


def listwise_loss(scores: Tensor, data: Comparisons) -> Tensor:
    """Plackett and Luce: each answer but the last against all that are not above it."""
    is_answer = data.weights.sum(2) > 0
    not_above = (data.shares >= 0.5) & is_answer[:, None, :]
    among = scores[:, None, :].masked_fill(~not_above, -math.inf)
    own = torch.where(is_answer, among.logsumexp(2) - scores, 0.0)
    return own.nan_to_num(0.0, posinf=0.0).sum()


def places_loss(scores: Tensor, data: Comparisons) -> Tensor:
    """Least squares on the share of a group's other answers that an answer is preferred to."""
    made = data.weights > 0
    wins = ((data.shares - 0.5) * made).sum(2) / made.sum(2).clamp(min=1)
    return (scores - wins).pow(2)[made.any(2)].sum()


def fitted(data: Comparisons, prior: Tensor, loss: Loss, around: Tensor | None = None) -> Tensor:
    """The weights that minimise the loss plus the prior's pull towards `around`."""
    centre = torch.zeros_like(prior) if around is None else around
    w = centre.clone().requires_grad_()
    search = torch.optim.LBFGS(
        [w], max_iter=100, tolerance_grad=1e-3, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        search.zero_grad()
        value = loss(data.features @ w, data) + (prior * (w - centre).pow(2)).sum() / 2
        torch.autograd.backward(value)
        return value

    search.step(closure)  # type: ignore[no-untyped-call]
    return w.detach()


def in_span(x: Tensor) -> Tensor:
    """An orthonormal basis of the rows' span: with one prior for all directions any will do."""
    sizes, found = torch.linalg.eigh(x @ x.T)
    kept = sizes > sizes.max() * 1e-9
    basis: Tensor = x.T @ (found[:, kept] / sizes[kept].sqrt())
    return basis


@dataclass(frozen=True)
class Prepared:
    """Features that a linear head is fitted to; the length, where it is read, comes last."""

    data: Comparisons
    test: list[Tensor]
    hidden: int
    has_length: bool

    def prior(self, spread: float) -> Tensor:
        width = self.data.features.shape[-1]
        prior = torch.full((width,), self.hidden / spread**2, dtype=torch.float64)
        if self.has_length:
            prior[-1] = 1.0
        return prior


def prepared(
    split: Split, recipe: Recipe, change: Callable[[Tensor], Tensor] | None, scale: Tensor
) -> Prepared:
    """Divided by `scale`, the hidden ones changed, then written in the span of what is learned."""
    hidden = len(scale) - int(recipe.length)

    def each(group: Tensor) -> Tensor:
        x = group / scale
        inner = change(x[:, :hidden]) if change and hidden else x[:, :hidden]
        return torch.cat([inner, x[:, hidden:]], dim=1)

    learned, test = [each(g) for g in split.learned], [each(g) for g in split.test]
    width = learned[0].shape[1] - int(recipe.length)
    data = comparisons_of(learned, split.targets)
    flat = data.features.flatten(0, 1)[:, :width]
    basis = in_span(flat[flat.any(1)]) if width else flat.new_zeros(0, 0)
    own = torch.eye(int(recipe.length), dtype=basis.dtype)
    whole: Tensor = torch.block_diag(basis, own)  # type: ignore[no-untyped-call]
    return Prepared(data.times(whole), [g @ whole for g in test], width, recipe.length)


def linear(split: Split, recipe: Recipe, loss: Loss = pairs_loss) -> list[Tensor]:
    return by_folds(standard(split, recipe), split, loss)


def by_folds(ready: Prepared, split: Split, loss: Loss = pairs_loss) -> list[Tensor]:
    """The chances of the held-out pairs by a head on prepared features."""
    spread, factor = chosen_on_folds(ready, split, loss)
    w = fitted(ready.data, ready.prior(spread), loss) * factor
    return [probabilities(group @ w) for group in ready.test]


def standard(split: Split, recipe: Recipe) -> Prepared:
    return prepared(
        split, recipe, None, deviation(torch.cat([g - g.mean(0) for g in split.learned]))
    )


def deviation(centred: Tensor) -> Tensor:
    return centred.pow(2).mean(0).sqrt().clamp(min=1e-6)


def chosen_on_folds(ready: Prepared, split: Split, loss: Loss) -> tuple[float, float]:
    """The spread with the least log loss of pairs on the folds, and the temperature for it."""
    best = (math.inf, 0.0, 1.0)
    for spread in TRIED:
        outside = torch.zeros(ready.data.shares.shape[:2], dtype=torch.float64)
        for fold in sorted(set(split.folds.tolist())):
            others = ready.data.of(split.folds != fold)
            held = split.folds == fold
            outside[held] = ready.data.features[held] @ fitted(others, ready.prior(spread), loss)
        losses = [float(pairs_loss(outside * factor, ready.data)) for factor in TEMPERATURES]
        least = min(losses) if loss is not pairs_loss else float(pairs_loss(outside, ready.data))
        best = min(best, (least, spread, cautious_temperature(ready.data, outside)))
    return best[1], best[2]


def moderated(split: Split, recipe: Recipe) -> list[Tensor]:
    ready = standard(split, recipe)
    spread, factor = chosen_on_folds(ready, split, pairs_loss)
    w = fitted(ready.data, ready.prior(spread), pairs_loss)
    covariance = torch.linalg.inv(curvature_at(ready.data, w) + ready.prior(spread).diag())
    found = []
    for group in ready.test:
        apart = group[:, None] - group[None, :]
        variance = ((apart @ covariance) * apart).sum(2) * factor**2
        found.append((apart @ w * factor / (1 + math.pi / 8 * variance).sqrt()).sigmoid())
    return found


def ensemble(split: Split, recipe: Recipe) -> list[Tensor]:
    ready = standard(split, recipe)
    spread, factor = chosen_on_folds(ready, split, pairs_loss)
    prior = ready.prior(spread)
    total = [torch.zeros(len(g), len(g), dtype=torch.float64) for g in ready.test]
    for _ in range(MEMBERS):
        drawn = torch.distributions.Exponential(1.0).sample((len(ready.data.shares),)).double()
        own = Comparisons(
            ready.data.features, ready.data.shares, ready.data.weights * drawn[:, None, None]
        )
        around = torch.randn(len(prior), dtype=torch.float64) / prior.sqrt()
        w = fitted(own, prior, pairs_loss, around) * factor
        total = [t + probabilities(g @ w) / MEMBERS for t, g in zip(total, ready.test, strict=True)]
    return total


def kernel(split: Split, recipe: Recipe) -> list[Tensor]:
    if not recipe.layers:
        return linear(split, recipe)
    scale = deviation(torch.cat([g - g.mean(0) for g in split.learned]))
    hidden = len(scale) - int(recipe.length)
    points = torch.cat([g[:, :hidden] / scale[:hidden] for g in split.learned])
    width = torch.cdist(points, points).flatten().median()
    inner = rbf(points, points, width)
    sizes, found = torch.linalg.eigh(inner)
    kept = sizes > sizes.max() * 1e-6
    root = found[:, kept] / sizes[kept].sqrt()
    # With the kernel's own scale of 1 an answer's features have about as many units as before.
    ready = prepared(
        split, recipe, lambda x: rbf(x, points, width) @ root * math.sqrt(hidden), scale
    )
    ready = Prepared(ready.data, ready.test, hidden, ready.has_length)
    return by_folds(ready, split)


def rbf(a: Tensor, b: Tensor, width: Tensor) -> Tensor:
    return (-torch.cdist(a, b).pow(2) / (2 * width**2)).exp()


def unlabelled(split: Split, recipe: Recipe, directions: int | None = None) -> list[Tensor]:
    scale = deviation(split.pool)
    hidden = len(scale) - int(recipe.length)
    change: Callable[[Tensor], Tensor] | None = None
    if directions and hidden:
        x = split.pool[:, :hidden] / scale[:hidden]
        sizes, found = torch.linalg.eigh(x.T @ x / len(x))
        turned = found[:, -directions:] / sizes[-directions:].sqrt()
        change = lambda group: group @ turned  # noqa: E731
    ready = prepared(split, recipe, change, scale)
    return by_folds(ready, split)


def probabilities(scores: Tensor) -> Tensor:
    return (scores[:, None] - scores[None, :]).sigmoid()


ARMS: dict[str, Callable[[Split, Recipe], list[Tensor]]] = {
    "chosen": linear,
    "listwise": lambda split, recipe: linear(split, recipe, listwise_loss),
    "ridge": lambda split, recipe: linear(split, recipe, places_loss),
    "moderated": moderated,
    "ensemble": ensemble,
    "kernel": kernel,
    "unlabelled": unlabelled,
    "whitened": lambda split, recipe: unlabelled(split, recipe, DIRECTIONS),
}
