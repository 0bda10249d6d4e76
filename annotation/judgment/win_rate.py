"""How often one of two is preferred, so that one may look after every judgment and stop when it is
sure: a test and an interval that hold at all times at once.

The wins of a coin with chance p, mixed over all p alike, are this much likelier than those of a
coin with chance q: E(q) = B(1 + wins, 1 + losses) / (q^wins (1 - q)^losses), B the beta function.
Under chance q it is a martingale that begins at 1, and exceeds 1 / ERROR ever with a probability of
at most ERROR (Ville 1939; Robbins 1970). Ties count for neither.
"""

import math

ERROR = 0.05
SURE = math.log(1 / ERROR)
STEPS = 60


def evidence(wins: int, losses: int, chance: float = 0.5) -> float:
    """log E(chance), in nats."""
    mixed = math.lgamma(1 + wins) + math.lgamma(1 + losses) - math.lgamma(2 + wins + losses)
    return mixed - wins * math.log(chance) - losses * math.log(1 - chance)


def interval(wins: int, losses: int) -> tuple[float, float]:
    """The chances that are not ruled out, after whatever number of judgments."""
    if not wins + losses:
        return 0.0, 1.0
    middle = wins / (wins + losses)
    return _edge(wins, losses, middle, 0.0), _edge(wins, losses, middle, 1.0)


def _edge(wins: int, losses: int, inside: float, outside: float) -> float:
    """By bisection: evidence grows from the share of wins outwards."""
    if inside == outside:
        return outside
    for _ in range(STEPS):
        between = (inside + outside) / 2
        if evidence(wins, losses, between) < SURE:
            inside = between
        else:
            outside = between
    return outside


def is_decided(wins: int, losses: int) -> bool:
    """Whether it is not a coin's throw which of the two is preferred."""
    return evidence(wins, losses) >= SURE
