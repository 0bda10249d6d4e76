"""A test and an interval that hold however often one looks."""

import math
import random

import pytest

from annotation.judgment.win_rate import ERROR, evidence, interval, is_decided


def test_the_evidence_of_one_win_and_of_two_is_the_closed_form() -> None:
    assert evidence(1, 0) == pytest.approx(0.0)  # (1/2) / (1/2)
    assert evidence(2, 0) == pytest.approx(math.log(4 / 3))  # (1/3) / (1/4)
    assert evidence(1, 1) == pytest.approx(math.log(2 / 3))  # (1/6) / (1/4)


def test_the_interval_holds_the_chances_that_are_not_ruled_out() -> None:
    low, high = interval(30, 10)
    assert low < 0.75 < high
    for edge in (low, high):
        assert evidence(30, 10, edge) == pytest.approx(math.log(1 / ERROR), abs=1e-6)
    assert (low > 0.5) == is_decided(30, 10)
    assert interval(0, 0) == (0.0, 1.0)
    assert interval(5, 0)[1] == 1.0


def test_of_a_thousand_coins_looked_at_after_every_throw_fewer_than_fifty_decide() -> None:
    chance = random.Random(0)
    decided = 0
    for _ in range(1000):
        wins = losses = 0
        for _ in range(200):
            if chance.random() < 0.5:
                wins += 1
            else:
                losses += 1
            if is_decided(wins, losses):
                decided += 1
                break
    assert decided < 50


def test_what_wins_seven_times_in_ten_is_known_within_two_hundred() -> None:
    chance = random.Random(1)
    known = 0
    for _ in range(200):
        wins = 0
        for throws in range(1, 201):
            wins += chance.random() < 0.7
            if is_decided(wins, throws - wins):
                known += 1
                break
    assert known > 190
