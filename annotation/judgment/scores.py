"""Scores in [-1, 1] from what one labeler said of the K answers of a group."""

from collections.abc import Iterable, Sequence

BEST = 1.0


def mid_ranks(ranks: Sequence[int]) -> list[float]:
    """Each answer's rank in an order without ties; tied answers share the mean of theirs.

    Only the order of `ranks` matters: [1, 1, 5] and [1, 1, 2] both give [1.5, 1.5, 3.0].
    """
    return [
        sum(other < rank for other in ranks) + (sum(other == rank for other in ranks) + 1) / 2
        for rank in ranks
    ]


def scores_from_ranks(ranks: Sequence[int]) -> list[float]:
    """1 - 2 (m - 1) / (K - 1) for the mid-rank m of each of K >= 2 answers."""
    if len(ranks) < 2:
        raise ValueError("a score needs at least two ranked answers")
    return [1 - 2 * (mid_rank - 1) / (len(ranks) - 1) for mid_rank in mid_ranks(ranks)]


def scores_from_pairs(
    ranks: Sequence[int], compared: Iterable[Sequence[int]]
) -> list[float | None]:
    """The same of a partial order: how much of what an answer was compared with it is better than,
    from -1 to 1; None for one that was compared with nothing."""
    won: list[list[float]] = [[] for _rank in ranks]
    for one, other in compared:
        share = (ranks[one] < ranks[other]) - (ranks[one] > ranks[other])
        won[one].append(share)
        won[other].append(-share)
    return [sum(shares) / len(shares) if shares else None for shares in won]


def below_first(ranks: Sequence[int]) -> list[int]:
    """The ranks of the same answers when one more stands alone before them all."""
    return [rank + 1 for rank in ranks]


def scores_from_quality(qualities: Sequence[int]) -> list[float]:
    """(s - 4) / 3 for each rating s from 1 to 7."""
    return [(quality - 4) / 3 for quality in qualities]


def ranks_from_quality(qualities: Sequence[int]) -> list[int]:
    """The order that the ratings give: the highest is first, equal ones tie."""
    return [1 + sum(other > quality for other in qualities) for quality in qualities]


def scores_of(
    ranks: Sequence[int], qualities: Sequence[int | None], is_led: bool = False
) -> list[float]:
    """From the ratings when every answer has one, else from the ranks.

    `is_led`: one answer more, which is not rated, stands before them all and scores BEST.
    """
    rated = [quality for quality in qualities if quality is not None]
    if ranks and len(rated) == len(ranks):
        return scores_from_quality(rated)
    if is_led:
        return scores_from_ranks([*below_first(ranks), 1])[:-1]
    return scores_from_ranks(ranks)


def dense_ranks(ranks: Sequence[int]) -> list[int]:
    """The same order written as 1, 2, 3 ... without gaps: [2, 5, 2] gives [1, 2, 1]."""
    dense = {rank: index for index, rank in enumerate(sorted(set(ranks)), start=1)}
    return [dense[rank] for rank in ranks]
