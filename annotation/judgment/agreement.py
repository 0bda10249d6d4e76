"""How often two labelers say the same of two answers."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

AS_SAID = ("", "chance")
"""How answers were picked of which people's agreement is measured: all of a group, or by chance.
Others were picked for being hard to tell apart, or good (`PromptGroup.Picked`)."""


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


@dataclass(frozen=True)
class Accord:
    """How often two said the same of `count` things, and kappa: how much of what chance would not
    bring about they did (Cohen 1960); None where chance alone would bring about all of it."""

    share: float
    kappa: float | None
    count: int


def accord(said: Sequence[tuple[Hashable, Hashable]]) -> Accord | None:
    """Of what one and the other said of each thing; None without any."""
    count = len(said)
    if not count:
        return None
    share = sum(one == other for one, other in said) / count
    ones, others = Counter(one for one, _ in said), Counter(other for _, other in said)
    by_chance = sum(ones[word] * others[word] for word in ones) / count**2
    kappa = (share - by_chance) / (1 - by_chance) if by_chance < 1 else None
    return Accord(share, kappa, count)
