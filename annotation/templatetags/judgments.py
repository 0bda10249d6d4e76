"""What a labeler decided, in the letters by which they saw the answers."""

from collections.abc import Iterable, Mapping, Sequence

from django import template

from annotation.judgment.judgment import THUMBS
from annotation.models import Ranking
from annotation.templatetags.text import letter

register = template.Library()


@register.filter
def order(ranking: Ranking) -> str:
    """ "B > A = C": best first, equal ranks joined by "="."""
    names = {position: letter(at) for at, position in enumerate(ranking.shown_order, start=1)}
    if ranking.compared is not None:
        return in_pairs(ranking.ranks, ranking.compared, names)
    return in_order({name: ranking.ranks[position] for position, name in names.items()})


def in_pairs(
    ranks: Sequence[int], compared: Iterable[Sequence[int]], names: Mapping[int, str]
) -> str:
    """ "A > B, A > C": what was compared, of a ranking that says nothing of some pairs."""
    pairs = [sorted(pair, key=lambda place: ranks[place]) for pair in compared]
    signs = {True: "=", False: ">"}
    return ", ".join(f"{names[a]} {signs[ranks[a] == ranks[b]]} {names[b]}" for a, b in pairs)


def in_order(ranks: Mapping[str, int]) -> str:
    """The letters by their ranks, best first, equal ranks joined by "="."""
    by_rank: dict[int, list[str]] = {}
    for name, rank in ranks.items():
        by_rank.setdefault(rank, []).append(name)
    return " > ".join(" = ".join(by_rank[rank]) for rank in sorted(by_rank))


@register.filter
def verdicts(ranking: Ranking) -> list[tuple[str, bool]]:
    """Each answer's letter and whether it is good; nothing where an order was asked for."""
    if ranking.mode != THUMBS:
        return []
    return [
        (letter(index), ranking.ranks[position] == 1 and not ranking.none_acceptable)
        for index, position in enumerate(ranking.shown_order, start=1)
    ]
