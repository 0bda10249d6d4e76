"""What a reward model expected of a judgment, beside what was said."""

from collections.abc import Mapping, Sequence
from itertools import combinations


def expected_order(expected: Sequence[float], shown_order: Sequence[int]) -> list[int]:
    """Places in the order shown, from 0, the best answer by the scores (by position) first."""
    return sorted(range(len(shown_order)), key=lambda place: -expected[shown_order[place]])


def agreement(ranks: Mapping[int, int], expected: Sequence[float]) -> tuple[int, int]:
    """In how many of the strict comparisons the scores agree, and how many there are.

    `ranks` by position, 1 best; `expected` has a score for each position.
    """
    strict = [(i, j) for i, j in combinations(sorted(ranks), 2) if ranks[i] != ranks[j]]
    agreed = sum((ranks[i] < ranks[j]) == (expected[i] > expected[j]) for i, j in strict)
    return agreed, len(strict)
