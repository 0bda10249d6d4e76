"""The interval by which gates decide: what gained nothing seldom passes, however it is spread."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from rewardmodel.learning.core.bootstrap import (
    deciding_interval,
    interval,
    more_to_tell,
    student_quantile,
)

Values = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Values]


def lognormal(generator: np.random.Generator, count: int) -> Values:
    """Of mean 0: mostly somewhat below, seldom far above."""
    values: Values = generator.lognormal(0, 1, count) - np.exp(0.5)
    return values


VERY_LARGE = "seldom a very large loss"
SHAPES: dict[str, Draw] = {
    "normal": lambda generator, count: generator.normal(size=count),
    "heavy tails": lambda generator, count: generator.standard_t(3, count),
    "seldom a large gain": lognormal,
    "often a loss": lambda generator, count: 1 - generator.exponential(size=count),
    VERY_LARGE: lambda generator, count: -lognormal(generator, count),
}


def passed(shape: str, count: int, spread: float) -> int:
    """Of a thousand that gained nothing: sizes of units are lognormal."""
    generator, found = np.random.default_rng(100 + count), 0
    for _ in range(1000):
        sizes = generator.lognormal(0, spread, count)
        found += deciding_interval(sizes * SHAPES[shape](generator, count), sizes)[0] > 0
    return found


@pytest.mark.usefixtures("fewer_resamples")
@pytest.mark.parametrize("count", [5, 10, 40])
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != VERY_LARGE])
def test_of_a_thousand_that_gained_nothing_fewer_than_fifty_seem_to_have(
    shape: str, count: int
) -> None:
    assert passed(shape, count, spread=0) < 50


@pytest.mark.usefixtures("fewer_resamples")
@pytest.mark.parametrize("count", [5, 10, 40])
def test_where_losses_are_very_seldom_and_very_large_about_one_in_twenty_pass(count: int) -> None:
    assert passed(VERY_LARGE, count, spread=0) < 65


@pytest.mark.usefixtures("fewer_resamples")
@pytest.mark.parametrize("count", [5, 10])
@pytest.mark.parametrize("shape", ["normal", "often a loss"])
def test_it_is_so_where_some_are_ten_times_as_large_as_others(shape: str, count: int) -> None:
    assert passed(shape, count, spread=1) < 50


@pytest.mark.parametrize(
    ("count", "gain", "least"), [(5, 5.0, 0.6), (10, 1.5, 0.7), (32, 1.0, 0.9)]
)
def test_a_gain_of_some_deviations_is_seen(count: int, gain: float, least: float) -> None:
    generator = np.random.default_rng(0)
    seen = sum(deciding_interval(generator.normal(gain, 1, count))[0] > 0 for _ in range(200))
    assert seen >= least * 200


def test_the_percentile_interval_would_let_more_pass() -> None:
    generator = np.random.default_rng(0)
    assert sum(interval(generator.normal(size=5))[0] > 0 for _ in range(1000)) > 60


def test_where_all_say_the_same_there_is_nothing_to_doubt() -> None:
    assert deciding_interval(np.full(6, 2.0)) == (2.0, 2.0)
    assert deciding_interval(np.array([3.0])) == (3.0, 3.0)


def test_one_large_loss_among_gains_decides_nothing() -> None:
    low, high = deciding_interval(np.array([1.0, 1.0, 1.0, 1.0, -3.0]))
    assert low < 0 < high


def test_one_that_gained_nothing_among_many_gains_is_outweighed() -> None:
    assert deciding_interval(np.array([1.0] * 31 + [0.0]))[0] > 0


def test_it_is_that_of_means_of_which_each_has_its_weight() -> None:
    sums, counts = np.array([1.0, 6.0, 2.0, 9.0, 3.0]), np.array([1.0, 3.0, 2.0, 4.0, 1.0])
    low, high = deciding_interval(sums, counts)
    assert low < 21 / 11 < high
    assert deciding_interval(10 * sums, counts) == pytest.approx((10 * low, 10 * high))
    assert deciding_interval(sums - 5 * counts, counts) == pytest.approx((low - 5, high - 5))


@pytest.mark.parametrize(
    ("freedom", "known"), [(1, 63.657), (4, 4.604), (9, 3.250), (30, 2.750), (2000, 2.578)]
)
def test_the_quantiles_of_student_s_t_are_those_of_the_tables(freedom: int, known: float) -> None:
    assert student_quantile(freedom) == pytest.approx(known, abs=1e-3)


def test_four_times_as_many_halve_an_interval() -> None:
    assert more_to_tell(10, distance=1.0, reach=2.0) == 30
    assert more_to_tell(10, distance=1.0, reach=100.0) == 90
    assert more_to_tell(10, distance=0.0, reach=1.0) == 10
    assert more_to_tell(2, distance=1.0, reach=1.0) == 3
