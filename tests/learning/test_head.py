"""The head is fitted exactly, and its posterior means what it says."""

import math

import pytest
import torch
from torch import Tensor

from rewardmodel.learning.reward.choice import choose_head, first_recipes, folds_of
from rewardmodel.learning.reward.head import Comparisons, comparisons_of, fit_head
from rewardmodel.learning.reward.losses import listwise_loss
from rewardmodel.learning.reward.preferences import PreferenceTarget, preference_shares
from rewardmodel.learning.reward.probe import Recipe, chosen_features

LAYERS = (1, 2)


def target(*rankings: list[int]) -> PreferenceTarget:
    shares = preference_shares(rankings)
    return PreferenceTarget(shares, torch.zeros_like(shares), 1.0)


def drawn(
    seed: int, groups: int = 30, width: int = 6
) -> tuple[list[Tensor], list[PreferenceTarget]]:
    """Random features of groups of 2 to 5 answers, ranked by a line through them, with ties."""
    generator = torch.Generator().manual_seed(seed)
    direction = torch.randn(width, generator=generator)
    features, targets = [], []
    for number in range(groups):
        x = torch.randn(2 + number % 4, width, generator=generator)
        utility = (x @ direction + torch.randn(len(x), generator=generator)).round()
        best = sorted(set(utility.tolist()), reverse=True)
        features.append(x)
        targets.append(target([best.index(value) + 1 for value in utility.tolist()]))
    return features, targets


def test_the_fit_is_the_minimum_that_plain_gradients_find_too() -> None:
    features, targets = drawn(0)
    prior = torch.full((6,), 0.7, dtype=torch.float64)
    fit = fit_head(comparisons_of(features, targets), prior)
    w = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([w], max_iter=500, tolerance_grad=1e-10)

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = (prior * w * w).sum() / 2
        for x, each in zip(features, targets, strict=True):
            value = value + (len(x) - 1) * listwise_loss(x.double() @ w, each.shares.double())
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    assert torch.allclose(fit.weights, w.detach(), atol=1e-6)


def test_where_it_starts_does_not_matter() -> None:
    data, prior = comparisons_of(*drawn(1)), torch.ones(6, dtype=torch.float64)
    far = torch.full((6,), 20.0, dtype=torch.float64)
    near_by, from_afar = fit_head(data, prior).weights, fit_head(data, prior, far).weights
    assert torch.allclose(near_by, from_afar, atol=1e-6)


def test_the_posterior_of_one_comparison_is_the_closed_form() -> None:
    """One feature, one pair at distance d, a tie: weight 0, precision prior + d^2 / 4."""
    x = torch.tensor([[0.0], [3.0]])
    fit = fit_head(comparisons_of([x], [target([1, 1])]), torch.tensor([2.0]).double())
    assert fit.weights.item() == pytest.approx(0, abs=1e-9)
    assert fit.precision.item() == pytest.approx(2 + 9 / 4)


def test_the_precision_is_the_second_derivative_of_the_loss() -> None:
    data, prior = comparisons_of(*drawn(2)), torch.ones(6, dtype=torch.float64)
    fit = fit_head(data, prior)

    def loss(w: Tensor) -> Tensor:
        s = data.features @ w
        d = s[:, :, None] - s[:, None, :]
        each = torch.nn.functional.softplus(d) - data.shares * d
        return (data.weights * each).sum() / 2 + (prior * w * w).sum() / 2

    hessian = torch.autograd.functional.hessian(loss, fit.weights)  # type: ignore[no-untyped-call]
    assert torch.allclose(fit.precision, hessian, atol=1e-8)


def test_answers_that_fill_a_group_up_change_nothing() -> None:
    features, targets = drawn(3, groups=8)
    data = comparisons_of(features, targets)
    more = Comparisons(
        torch.nn.functional.pad(data.features, (0, 0, 0, 2), value=9.0),
        torch.nn.functional.pad(data.shares, (0, 2, 0, 2), value=0.5),
        torch.nn.functional.pad(data.weights, (0, 2, 0, 2)),
    )
    prior = torch.ones(6, dtype=torch.float64)
    assert torch.allclose(fit_head(data, prior).weights, fit_head(more, prior).weights)


def test_groups_of_one_prompt_are_never_on_both_sides_of_a_fold() -> None:
    prompts = [f"prompt {number % 13}" for number in range(60)]
    folds = folds_of(prompts)
    for prompt in set(prompts):
        own = {folds[i].item() for i, each in enumerate(prompts) if each == prompt}
        assert len(own) == 1
    assert len(set(folds.tolist())) == 5


def answers(
    seed: int, groups: int = 60
) -> tuple[list[Tensor], list[Tensor], list[PreferenceTarget]]:
    """Features of two layers, of which the mean in layer 1 holds what decides."""
    generator = torch.Generator().manual_seed(seed)
    hidden, lengths, targets = [], [], []
    for _ in range(groups):
        x = torch.randn(4, len(LAYERS), 2, 8, generator=generator)
        utility = 3 * x[:, 0, 0, 0]
        order = (-utility).argsort().argsort() + 1
        hidden.append(x)
        lengths.append(torch.randn(4, generator=generator))
        targets.append(target(order.tolist()))
    return hidden, lengths, targets


def test_the_layer_that_holds_the_preference_is_chosen() -> None:
    hidden, lengths, targets = answers(0)
    choice = choose_head(hidden, LAYERS, lengths, targets, [str(i) for i in range(60)])
    assert 1 in choice.head.recipe.layers
    assert "mean" in choice.head.recipe.poolings
    assert choice.trials[0].log_loss == min(each.log_loss for each in choice.trials)
    assert len(choice.trials) == len(first_recipes(LAYERS)) + 3


def test_where_only_the_length_decides_hidden_states_are_not_read() -> None:
    hidden, lengths, _ = answers(1)
    targets = [target(((-own).argsort().argsort() + 1).tolist()) for own in lengths]
    choice = choose_head(hidden, LAYERS, lengths, targets, [str(i) for i in range(60)])
    assert choice.head.recipe == first_recipes(LAYERS)[0]
    assert choice.head.without_length().weights.tolist() == [0.0]


def test_a_head_that_keeps_its_recipe_is_the_one_that_a_choice_among_all_makes() -> None:
    hidden, lengths, targets = answers(3)
    prompts = [str(i) for i in range(60)]
    chosen = choose_head(hidden, LAYERS, lengths, targets, prompts)
    best = chosen.trials[0]
    again = choose_head(hidden, LAYERS, lengths, targets, prompts, [best.recipe], best.spread)
    assert torch.allclose(again.head.weights, chosen.head.weights, atol=1e-5)
    assert torch.allclose(again.head.covariance, chosen.head.covariance, atol=1e-5)


def test_the_posterior_of_a_chosen_head_is_the_inverse_of_its_precision() -> None:
    """In all 120 directions, of which 60 answers span fewer."""
    generator = torch.Generator().manual_seed(5)
    hidden = [torch.randn(3, 1, 2, 120, generator=generator) for _ in range(20)]
    lengths = [torch.rand(3, generator=generator) + 3 for _ in range(20)]
    targets = [target([1, 2, 3]) for _ in range(20)]
    recipe = Recipe((1,), ("mean",))
    choice = choose_head(hidden, (1,), lengths, targets, list(map(str, range(20))), [recipe])
    features = [chosen_features(recipe, (1,), *both) for both in zip(hidden, lengths, strict=True)]
    data = comparisons_of(features, targets)
    scale = data.features.flatten(0, 1).pow(2).mean(0).sqrt()
    spread = choice.trials[0].spread
    prior = torch.full((121,), 120 / spread**2, dtype=torch.float64)
    prior[-1] = 1.0
    scaled = comparisons_of([each / scale for each in features], targets)
    fit = fit_head(scaled, prior)
    temperature = choice.temperature
    expected = torch.linalg.inv(fit.precision) / scale / scale[:, None] * temperature**2
    assert torch.allclose(
        choice.head.weights.double(), fit.weights / scale * temperature, atol=1e-5
    )
    assert torch.allclose(choice.head.covariance.double(), expected, rtol=1e-3, atol=1e-6)


def test_where_people_are_of_two_minds_about_everything_no_accuracy_is_made_up() -> None:
    hidden, lengths, _ = answers(3, 6)
    both = [target([1, 2, 3, 4], [4, 3, 2, 1]) for _ in hidden]
    choice = choose_head(hidden, LAYERS, lengths, both, [str(i) for i in range(6)])
    assert {trial.accuracy for trial in choice.trials} == {None}


def test_what_nobody_can_predict_is_predicted_with_a_half() -> None:
    hidden, lengths, targets = answers(2)
    generator = torch.Generator().manual_seed(5)
    noise = [target((torch.randperm(4, generator=generator) + 1).tolist()) for _ in targets]
    choice = choose_head(hidden, LAYERS, lengths, noise, [str(i) for i in range(60)])
    assert choice.trials[0].log_loss == pytest.approx(math.log(2), abs=0.02)


def test_more_rankings_leave_less_doubt() -> None:
    hidden, lengths, targets = answers(3)
    unsure = []
    for count in (15, 60):
        choice = choose_head(
            hidden[:count], LAYERS, lengths[:count], targets[:count], list(map(str, range(count)))
        )
        scale = choice.head.weights.norm()
        unsure.append((choice.head.covariance.diagonal().sum().sqrt() / scale).item())
    assert unsure[1] < unsure[0]


def test_few_groups_of_uneven_sizes_and_wide_features_are_learned_from() -> None:
    generator = torch.Generator().manual_seed(6)
    sizes = [2 + number % 2 + 6 * (number % 25 == 0) for number in range(50)]
    scale = torch.arange(1, 577).pow(-1.5) * 1000  # some directions are far wider than others
    hidden = [torch.randn(size, 2, 2, 576, generator=generator) * scale for size in sizes]
    targets = [target(((-x[:, 0, 0, 0]).argsort().argsort() + 1).tolist()) for x in hidden]
    lengths = [torch.randn(size, generator=generator) for size in sizes]
    choice = choose_head(hidden, LAYERS, lengths, targets, list(map(str, range(50))))
    assert torch.isfinite(choice.head.weights).all()
    assert choice.trials[0].log_loss < 0.66


def test_what_a_few_rankings_leave_open_makes_a_head_less_sure_but_no_worse() -> None:
    hidden, lengths, targets = answers(4, groups=20)
    generator = torch.Generator().manual_seed(7)
    for number in range(0, 20, 2):  # every other labeler throws a coin
        targets[number] = target((torch.randperm(4, generator=generator) + 1).tolist())
    choice = choose_head(hidden, LAYERS, lengths, targets, [str(i) for i in range(20)])
    assert choice.temperature < 0.9
    right = sum(
        bool((own[0] > own[1]) == (target_.shares[0, 1] > 0.5))
        for own, target_ in zip(choice.outside, targets, strict=True)
    )
    assert right > 10
