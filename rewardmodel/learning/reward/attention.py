"""Which tokens of an answer count: a query, learned from rankings with the weights of a head.

An answer's tokens are weighed by a softmax over how far each lies along the query, so that a head
may look at the few words that matter (attention pooling, arXiv 1703.03130). Query and weights are
fitted together: that is not convex, and begins where the pooling is the mean. Once the query is
known, what it pools is a feature like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from rewardmodel.learning.reward.choice import (
    ROUGHLY,
    Choice,
    Trial,
    cautious_temperature,
    fitted_head,
    folds_of,
    judged,
    losses_by_group,
)
from rewardmodel.learning.reward.features import ATTENTION, attention_shares
from rewardmodel.learning.reward.head import Comparisons, minimise
from rewardmodel.learning.reward.preferences import PreferenceTarget
from rewardmodel.learning.reward.probe import Head, Recipe
from rewardmodel.learning.reward.spanned import LENGTH_SPREAD, SpannedFeatures, spanned_features
from rewardmodel.learning.reward.tokens import TokenStates

QUERY_SPREADS = (0.3, 1.0)
"""Standard deviations, before anything is learned, of how far a token lies along the query."""
STEPS = 40
SLOPE = 1e-3
"""The largest of the gradient at which a search ends."""
MOST_TOKENS = 250_000
"""Of all groups that a query is learned from; of more groups, chance leaves some out."""


def best_mean(trials: Sequence[Trial]) -> int:
    """The layer whose mean is best by itself: there a query is looked for."""
    means = [each for each in trials if each.recipe.poolings == ("mean",)]
    best = min(
        (each for each in means if len(each.recipe.layers) == 1), key=lambda each: each.log_loss
    )
    return best.recipe.layers[0]


def mean_of(trials: Sequence[Trial], layer: int) -> Trial:
    """That of this layer's mean."""
    [found] = [each for each in trials if each.recipe == Recipe((layer,), ("mean",))]
    return found


def with_attention(
    choice: Choice,
    mean: Trial,
    features: Sequence[Float[Tensor, "_ width"]],
    tokens: Sequence[TokenStates],
    targets: Sequence[PreferenceTarget],
    prompts: Sequence[str],
) -> Choice:
    """The head that weighs tokens where it has less log loss on the folds than what was chosen,
    else what was chosen, with one more trial; without one where there is a single fold.

    `features` are those of the recipe of `mean`, `tokens` the same layer's; the rest as in
    `choose_head`.
    """
    # In whatever order groups come, the search takes the same way.
    order = sorted(range(len(prompts)), key=prompts.__getitem__)
    features, tokens = [features[i] for i in order], [tokens[i] for i in order]
    targets, prompts = [targets[i] for i in order], [prompts[i] for i in order]
    folds = folds_of(prompts)
    if len(folds.unique()) < 2:  # type: ignore[no-untyped-call]
        return choice
    by_mean = spanned_features(mean.recipe, features, targets)
    lengths = [each[:, -1:] for each in features]
    groups = _Groups(tokens, lengths, by_mean, mean.spread)
    spread, outside = groups.best(folds)
    recipe = Recipe(mean.recipe.layers, (ATTENTION,))
    trial = Trial(recipe, mean.spread, *judged(by_mean.data, outside))
    trials = sorted([*choice.trials, trial], key=lambda each: each.log_loss)
    if trials[0] is not trial:
        return replace(choice, trials=trials)
    [weights] = groups.learned(torch.ones(len(tokens), dtype=torch.bool), [spread])
    query = weights.query
    attended = [attended_features(query, *both) for both in zip(tokens, lengths, strict=True)]
    temperature = cautious_temperature(by_mean.data, outside)
    scores = {
        place: (temperature * filled[: len(own)]).float()
        for place, filled, own in zip(order, outside, features, strict=True)
    }
    head = head_with_query(query, trial, temperature, attended, targets)
    return Choice(head, trials, temperature, [scores[i] for i in range(len(order))])


def head_with_query(
    query: Float[Tensor, " hidden"],
    trial: Trial,
    temperature: float,
    attended: Sequence[Float[Tensor, "_ width"]],
    targets: Sequence[PreferenceTarget],
) -> Head:
    """Fitted to what a query that is known makes of all groups: convex again."""
    features = spanned_features(trial.recipe, attended, targets)
    return replace(fitted_head(trial, features, temperature), query=query)


def attended_features(
    query: Float[Tensor, " hidden"], tokens: TokenStates, log_lengths: Float[Tensor, "K 1"]
) -> Float[Tensor, "K width"]:
    """What a head with that query reads of a group's answers."""
    return torch.cat([tokens.attended(query), log_lengths], 1)


@dataclass(frozen=True)
class _Weights:
    """What an answer's pooled tokens, its length and its tokens' share are weighted by."""

    states: Float[Tensor, " hidden"]
    length: Float[Tensor, " 1"]
    query: Float[Tensor, " hidden"]

    def divided(self, scale: Float[Tensor, " width"]) -> _Weights:
        """For features as they are read, where these are for features divided by `scale`."""
        hidden = scale[:-1]
        return _Weights(self.states / hidden, self.length / scale[-1:], self.query / hidden)

    def scores(self, tokens: TokenStates, lengths: Float[Tensor, "K 1"]) -> Float[Tensor, " K"]:
        return tokens.attended(self.query) @ self.states + lengths @ self.length


@dataclass(frozen=True)
class _Groups:
    """What is learned from: each group's tokens, its answers' log lengths, and what the mean of
    the tokens makes of it. `spread` is of all hidden features together."""

    tokens: Sequence[TokenStates]
    lengths: Sequence[Float[Tensor, "_ 1"]]
    by_mean: SpannedFeatures
    spread: float

    def best(self, folds: Int[Tensor, " G"]) -> tuple[float, Float[Tensor, "G K"]]:
        """The spread of the query that the folds like best, and with it each group's scores by what
        was learned without its fold."""
        data = self.by_mean.data
        outside = torch.zeros(len(QUERY_SPREADS), *data.shares.shape[:2], dtype=torch.float64)
        for fold in sorted(set(folds.tolist())):
            held = (folds == fold).nonzero()[:, 0].tolist()
            for scores, weights in zip(outside, self.learned(folds != fold), strict=True):
                for place in held:
                    found = weights.scores(self.tokens[place], self.lengths[place])
                    scores[place, : len(found)] = found
        losses = [float(losses_by_group(data, scores).sum()) for scores in outside]
        best = losses.index(min(losses))
        return QUERY_SPREADS[best], outside[best]

    def learned(
        self, groups: Bool[Tensor, " G"], query_spreads: Sequence[float] = QUERY_SPREADS
    ) -> list[_Weights]:
        """From these groups, with each spread of the query; of many tokens MOST_TOKENS tell."""
        scale = self.by_mean.scale.float()
        few = self._few(groups)
        data, prior = self.by_mean.data.of(few), self.by_mean.prior(self.spread)
        by_mean = self.by_mean.basis @ minimise(data, prior, None, None, ROUGHLY).weights
        places = few.nonzero()[:, 0].tolist()
        flat = _flat([self.tokens[i] for i in places], [self.lengths[i] for i in places], scale)
        start, told = by_mean.float(), data.roughly()
        return [
            _most_likely(flat, told, start, self.spread, query_spread).divided(scale)
            for query_spread in query_spreads
        ]

    def _few(self, groups: Bool[Tensor, " G"]) -> Bool[Tensor, " G"]:
        places = groups.nonzero()[:, 0]
        places = places[torch.randperm(len(places), generator=torch.Generator().manual_seed(0))]
        sizes = torch.tensor([len(self.tokens[i].states) for i in places.tolist()])
        few = torch.zeros_like(groups)
        few[places[sizes.cumsum(0) - sizes < MOST_TOKENS]] = True
        return few


@dataclass(frozen=True)
class _Flat:
    """All tokens of A answers, one after the other, and of each answer its log length and its
    group; features divided by their scale."""

    states: Float[Tensor, "T hidden"]
    answer_of: Int[Tensor, " T"]
    lengths: Float[Tensor, "A 1"]
    group: Int[Tensor, " A"]
    place: Int[Tensor, " A"]
    """Of each answer in its group."""

    def scores(self, weights: _Weights, shape: torch.Size) -> Float[Tensor, "G K"]:
        both = self.states @ torch.stack([weights.states, weights.query], 1)
        own, along = both.unbind(1)
        shares = attention_shares(along, self.answer_of, len(self.group))
        found = (self.lengths @ weights.length).index_add(0, self.answer_of, shares * own)
        return found.new_zeros(shape).index_put((self.group, self.place), found)


def _flat(
    tokens: Sequence[TokenStates],
    lengths: Sequence[Float[Tensor, "_ 1"]],
    scale: Float[Tensor, " width"],
) -> _Flat:
    counts = torch.tensor([len(each) for each in lengths])
    firsts = (counts.cumsum(0) - counts).tolist()
    return _Flat(
        torch.cat([each.exact / scale[:-1] for each in tokens]),
        torch.cat([own.answer_of + first for own, first in zip(tokens, firsts, strict=True)]),
        torch.cat(list(lengths)) / scale[-1:],
        torch.repeat_interleave(torch.arange(len(counts)), counts),
        torch.cat([torch.arange(count) for count in counts.tolist()]),
    )


def _most_likely(
    flat: _Flat,
    data: Comparisons,
    by_mean: Float[Tensor, " width"],
    spread: float,
    query_spread: float,
) -> _Weights:
    """Minimises what `fit_head` does, with a normal prior on the query, too; from the weights of
    the mean on, and a query that makes no difference."""
    hidden = flat.states.shape[1]
    found = _Weights(by_mean[:-1].clone(), by_mean[-1:].clone(), torch.zeros(hidden))
    moving = [each.requires_grad_() for each in (found.states, found.length, found.query)]
    search = torch.optim.LBFGS(
        moving, max_iter=STEPS, tolerance_grad=SLOPE, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        search.zero_grad()
        scores = flat.scores(found, data.shares.shape[:2])
        entropy = losses_by_group(data, scores).sum() / 2
        squares = found.states.pow(2).sum() / spread**2 + found.query.pow(2).sum() / query_spread**2
        of_length = found.length.pow(2).sum() / LENGTH_SPREAD**2
        whole: Tensor = entropy + hidden * squares / 2 + of_length / 2
        torch.autograd.backward(whole)
        return whole

    search.step(loss)  # type: ignore[no-untyped-call]
    return _Weights(*(each.detach() for each in moving))
