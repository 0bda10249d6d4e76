"""A few words of people's and many of a judge's, in one interval."""

import random
from statistics import NormalDist, fmean

import pytest

from annotation.judgment.agreement import Accord, accord
from annotation.judgment.prediction_powered import (
    Estimate,
    best_power,
    combined_share,
    share_of,
)
from annotation.judgment.win_rate import is_decided

DRAWS = 1000
PREFERRED, TIED = 0.6, 0.1
TRUTH = PREFERRED + TIED / 2


def drawn(chance: random.Random, count: int, skill: float) -> tuple[list[float], list[float]]:
    """What people say, and a judge that knows it with a chance of `skill` and else likes the
    second: wrong on average."""
    people = chance.choices([1, 0.5, 0], [PREFERRED, TIED, 1 - PREFERRED - TIED], k=count)
    return people, [said if chance.random() < skill else 1.0 for said in people]


def held(found: Estimate) -> bool:
    return found.low <= TRUTH <= found.high


def test_without_power_the_share_and_its_interval_are_people_s() -> None:
    people, judge = [1, 1, 0, 0.5, 1], [0.9, 0.2, 0.1, 0.7, 0.6]
    found = combined_share(people, judge, [0.3, 0.9, 0.5], power=0)
    alone = share_of(people)
    assert (found.share, found.low, found.high) == (alone.share, alone.low, alone.high)
    assert found.share == pytest.approx(fmean(people))


def test_with_full_power_the_share_is_the_judge_s_and_what_it_gets_wrong_is_taken_out() -> None:
    found = combined_share([1, 0, 1, 1], [1, 1, 1, 1], [1, 1, 1, 0.5], power=1)
    assert found.share == pytest.approx(0.875 - 0.25)


def test_the_interval_is_the_closed_form() -> None:
    people, judge, alone = [1, 0, 1, 1], [0.8, 0.4, 0.6, 0.6], [0.5, 0.7, 0.9, 0.3]
    found = combined_share(people, judge, alone, power=0.5)
    more = [0.6, -0.2, 0.7, 0.7, 0.7, 0.7, -0.3, -0.3]  # y - f / 2; four more with f = 0.6
    middle = sum(more) / 8
    spread = sum((one - middle) ** 2 for one in more) / 7 / 8 + 0.25 * (0.2 / 3) / 4
    reach = NormalDist().inv_cdf(0.975) * spread**0.5
    assert found.low == pytest.approx(max(0, middle + 0.3 - reach))
    assert found.high == pytest.approx(min(1, middle + 0.3 + reach))


def test_the_power_is_none_for_a_judge_that_says_nothing_and_all_for_one_that_is_right() -> None:
    people = [1.0, 0.0] * 50
    assert best_power(people, [1.0, 1.0] * 50, [1.0] * 500) == 0
    assert best_power(people, [1.0, 1.0, 0.0, 0.0] * 25, [1.0, 0.0] * 500) == pytest.approx(0)
    assert best_power(people, people, [1.0, 0.0] * 50_000) == pytest.approx(1, abs=0.02)


def test_with_a_judge_that_is_right_the_interval_nears_that_of_the_large_sample() -> None:
    chance = random.Random(0)
    people, judge = drawn(chance, 400, skill=1)
    everyone, alone = drawn(chance, 4000, skill=1)
    found, large = combined_share(people, judge, alone), share_of(everyone + people)
    assert found.share == pytest.approx(large.share, abs=0.005)
    assert found.high - found.low < 1.25 * (large.high - large.low)
    assert found.high - found.low < 0.4 * (share_of(people).high - share_of(people).low)


def test_where_all_say_the_same_the_interval_still_has_a_length() -> None:
    assert share_of([1.0] * 8).low < 0.7
    assert combined_share([1.0] * 8, [1.0] * 8, [1.0] * 500).low < 0.7


@pytest.mark.parametrize("count", [8, 30, 100])
@pytest.mark.parametrize("skill", [0, 0.7, 1], ids=["blind", "good", "perfect"])
def test_of_a_thousand_intervals_the_truth_is_in_nineteen_of_twenty(
    count: int, skill: float
) -> None:
    chance = random.Random(count)
    covered = 0
    for _ in range(DRAWS):
        people, judge = drawn(chance, count, skill)
        _, alone = drawn(chance, 150, skill)
        covered += held(combined_share(people, judge, alone))
    assert covered / DRAWS > 0.935  # two standard errors below 0.95


def test_it_holds_also_where_people_stop_as_soon_as_they_are_sure() -> None:
    chance = random.Random(0)
    covered = 0
    for _ in range(DRAWS):
        people, judge = drawn(chance, 60, 0.7)
        _, alone = drawn(chance, 150, 0.7)
        stop = next(
            (n for n in range(1, 60) if is_decided(people[:n].count(1), people[:n].count(0))), 60
        )
        covered += held(combined_share(people[:stop], judge[:stop], alone))
    assert covered / DRAWS > 0.935


def test_accord_is_cohen_s_kappa() -> None:
    said = [("a", "a")] * 20 + [("a", "b")] * 5 + [("b", "a")] * 10 + [("b", "b")] * 15
    found = accord(said)
    assert found is not None
    assert (found.share, found.count) == (0.7, 50)
    assert found.kappa == pytest.approx(0.4)


def test_accord_is_not_known_where_both_always_say_the_same_word() -> None:
    assert accord([(1, 1), (1, 1)]) == Accord(1.0, None, 2)
    assert accord([]) is None
