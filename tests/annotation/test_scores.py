import pytest

from annotation.judgment.scores import (
    dense_ranks,
    mid_ranks,
    ranks_from_quality,
    scores_from_ranks,
)


def test_best_of_four_scores_one_and_worst_minus_one() -> None:
    assert scores_from_ranks([2, 1, 4, 3]) == pytest.approx([1 / 3, 1, -1, -1 / 3])


def test_tied_answers_share_the_mean_of_their_places() -> None:
    assert mid_ranks([1, 1, 2]) == [1.5, 1.5, 3.0]
    assert scores_from_ranks([1, 1, 2]) == [0.5, 0.5, -1.0]


def test_all_tied_scores_zero() -> None:
    assert scores_from_ranks([3, 3, 3, 3]) == [0, 0, 0, 0]


def test_scores_sum_to_zero_whatever_the_ties() -> None:
    assert sum(scores_from_ranks([1, 2, 2, 5, 5, 5])) == pytest.approx(0)


def test_one_answer_alone_has_no_score() -> None:
    with pytest.raises(ValueError, match="two"):
        scores_from_ranks([1])


def test_gaps_in_ranks_are_closed() -> None:
    assert dense_ranks([5, 2, 5, 9]) == [2, 1, 2, 3]


def test_ratings_give_an_order_in_which_equal_ones_tie() -> None:
    assert dense_ranks(ranks_from_quality([4, 7, 4, 1])) == [2, 1, 2, 3]
    assert ranks_from_quality([3, 3]) == [1, 1]
