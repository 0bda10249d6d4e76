"""A curve through the losses so far says how many more rankings are needed."""

import math

import pytest

from rewardmodel.learning.reward.learning_curve import CHANCE, LossCurve, fitted_curve


def curve_through(*losses: tuple[float, float]) -> LossCurve:
    found = fitted_curve(losses)
    assert found is not None
    return found


def test_a_known_curve_is_found_again() -> None:
    known = LossCurve(floor=0.4, slope=1.2, last=200)
    found = curve_through(*((n, known.loss(n)) for n in (12, 30, 75, 200)))
    assert (found.floor, found.slope) == pytest.approx((0.4, 1.2))
    assert found.last == 200


def test_losses_that_do_not_fall_level_off_at_their_weighted_mean() -> None:
    found = curve_through((10, 0.6), (20, 0.7), (40, 0.7))
    assert found.floor == pytest.approx((6 + 14 + 28) / 70)
    assert found.slope == 0


def test_no_loss_below_zero_is_foretold() -> None:
    found = curve_through((10, 0.9), (20, 0.4), (40, 0.1))
    assert found.floor == 0
    through = sum(math.sqrt(n) * loss for n, loss in ((10, 0.9), (20, 0.4), (40, 0.1))) / 3
    assert found.slope == pytest.approx(through)


@pytest.mark.parametrize(
    "points",
    [
        [(10, 0.7), (40, 0.6)],
        [(10, 0.7), (40, None), (80, 0.6)],
        [(20, 0.7), (30, 0.65), (50, 0.6)],
        [(3, 0.7), (6, 0.65), (12, 0.6)],
    ],
    ids=["two points", "a point without pairs", "hardly more rankings", "too few rankings"],
)
def test_too_little_says_nothing(points: list[tuple[float, float | None]]) -> None:
    assert fitted_curve(points) is None


@pytest.mark.parametrize(("floor", "slope"), [(0.5, 1.5), (0.6, 0.0), (0.65, 3.0)])
def test_the_growth_that_is_foretold_brings_what_was_missing(floor: float, slope: float) -> None:
    curve = LossCurve(floor, slope, last=50)

    def evidence(times: float) -> float:
        return times * (CHANCE - curve.loss(50 * times))

    growth = curve.growth(0.3)
    assert growth > 1
    assert evidence(growth) == pytest.approx(evidence(1) + 0.3)


def test_what_never_falls_below_chance_grows_for_ever() -> None:
    assert LossCurve(CHANCE, 1.0, 50).growth(0.1) == math.inf
