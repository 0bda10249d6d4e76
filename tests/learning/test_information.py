"""How much a ranking would tell about a head."""

import pytest
import torch

from rewardmodel.learning.reward.information import choice_variances, most_telling
from rewardmodel.learning.reward.probe import Head, Recipe

ONE = Recipe((1,), ("mean",), length=False)


def of_one_feature(mean: float, deviation: float) -> Head:
    return Head(ONE, torch.tensor([mean]), torch.tensor([[deviation**2]]))


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (2.0, 0.5), (5.0, 0.1)])
def test_the_variance_of_a_choice_is_its_integral_over_the_posterior(
    mean: float, deviation: float
) -> None:
    features = torch.tensor([[0.0], [1.0]])
    points = torch.linspace(-6, 6, 20001, dtype=torch.float64)
    density = (-(points**2) / 2).exp()
    chance = (mean + deviation * points).sigmoid()
    expected = (density * chance).sum() / density.sum()
    variance = (density * (chance - expected) ** 2).sum() / density.sum()
    head = of_one_feature(mean, deviation)
    found = choice_variances(head, features)[0, 1]
    assert float(found) == pytest.approx(float(variance), rel=1e-6)


def test_what_the_head_is_sure_of_tells_less_than_what_it_is_not() -> None:
    head = Head(
        Recipe((1,), ("mean", "end"), length=False),
        torch.tensor([4.0, 0.0]),
        torch.diag(torch.tensor([0.01, 1.0])),
    )
    known, unknown = torch.tensor([[0.0, 0], [1, 0]]), torch.tensor([[0.0, 0], [0, 1]])
    assert choice_variances(head, known)[0, 1] < choice_variances(head, unknown)[0, 1]


def test_equal_answers_tell_nothing() -> None:
    head = of_one_feature(1.0, 1.0)
    assert choice_variances(head, torch.ones(3, 1)).max() == 0


@pytest.mark.parametrize("most", [5000, 0])
def test_the_answers_picked_vary_most_together(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr("rewardmodel.learning.reward.information.MOST_SETS", most)
    variances = torch.zeros(5, 5)
    for i, j, value in [(0, 1, 0.3), (1, 4, 0.9), (0, 4, 0.8), (2, 3, 0.5)]:
        variances[i, j] = variances[j, i] = value
    assert most_telling(variances, 2) == [1, 4]
    assert most_telling(variances, 3) == [0, 1, 4]
