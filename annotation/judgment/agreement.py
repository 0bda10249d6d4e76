"""How often two labelers say the same of two answers."""

from collections.abc import Iterable, Sequence
from itertools import combinations


def pairs_agreed(one: Sequence[int], other: Sequence[int]) -> tuple[int, int]:
    """(pairs in the same order, pairs that both put in an order) of the answers both ranked.

    A tie says nothing about an order, so pairs that either of them tied do not count. InstructGPT
    reports such a rate (arXiv 2203.02155, section 3.4) without saying how it counts ties.
    """
    same = compared = 0
    for first, second in combinations(range(len(one)), 2):
        product = (one[first] - one[second]) * (other[first] - other[second])
        compared += product != 0
        same += product > 0
    return same, compared


def agreement(judged: Iterable[tuple[Sequence[int], Sequence[int]]]) -> float | None:
    """Share of pairs in the same order over many (ranks, other ranks); None: nothing to compare."""
    same = compared = 0
    for one, other in judged:
        agreed, all_pairs = pairs_agreed(one, other)
        same, compared = same + agreed, compared + all_pairs
    return same / compared if compared else None
