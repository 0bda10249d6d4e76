"""What one labeler's comparisons say together: a partial order, or that they contradict."""

from collections.abc import Iterable, Sequence

Ranks = Sequence[int | None]


class Contradiction(ValueError):
    """An answer would be better than itself."""


class PartialOrder:
    """Comparisons of K answers, closed: what is better than the better is better too.

    Bit j of `at_least[i]`: i is as good as j or better; of `above[i]`: it is better.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.at_least = [1 << i for i in range(count)]
        self.above = [0] * count

    def add(self, ranks: Ranks, pairs: Iterable[tuple[int, int]] = ()) -> None:
        """All comparisons of the ranks, and of pairs (better, worse). Raises Contradiction, and
        adds nothing then."""
        at_least, above = list(self.at_least), list(self.above)
        ranked = [(rank, at) for at, rank in enumerate(ranks) if rank is not None]
        for rank, at in ranked:
            for other, below in ranked:
                at_least[at] |= (rank <= other) << below
                above[at] |= (rank < other) << below
        for better, worse in pairs:
            at_least[better] |= 1 << worse
            above[better] |= 1 << worse
        _close(at_least, above)
        if any(above[i] >> i & 1 for i in range(self.count)):
            raise Contradiction
        self.at_least, self.above = at_least, above

    def compared(self) -> list[tuple[int, int]] | None:
        """The pairs of which something is known; None where that is all of them."""
        every = [(i, j) for i in range(self.count) for j in range(i + 1, self.count)]
        known = [(i, j) for i, j in every if self.at_least[i] >> j & 1 or self.at_least[j] >> i & 1]
        return None if len(known) == len(every) else known

    def ranks(self) -> list[int]:
        """1 is best; right for every pair that is compared, and says nothing of the others."""
        ranks = [1] * self.count
        for at in sorted(range(self.count), key=lambda i: -self.above[i].bit_count()):
            for below in range(self.count):
                if self.above[at] >> below & 1:
                    ranks[below] = max(ranks[below], ranks[at] + 1)
        return ranks


def _close(at_least: list[int], above: list[int]) -> None:
    for via in range(len(at_least)):
        for at in range(len(at_least)):
            if at_least[at] >> via & 1:
                above[at] |= above[via]
                at_least[at] |= at_least[via]
            if above[at] >> via & 1:
                above[at] |= at_least[via]
