"""What a labeler decided, in the letters by which they saw the answers."""

from django import template

from annotation.models import Ranking
from annotation.templatetags.text import letter

register = template.Library()


@register.filter
def order(ranking: Ranking) -> str:
    """ "B > A = C": best first, equal ranks joined by "="."""
    by_rank: dict[int, list[str]] = {}
    for index, position in enumerate(ranking.shown_order, start=1):
        by_rank.setdefault(ranking.ranks[position], []).append(letter(index))
    return " > ".join(" = ".join(by_rank[rank]) for rank in sorted(by_rank))


@register.filter
def verdicts(ranking: Ranking) -> list[tuple[str, bool]]:
    """Each answer's letter and whether it is good; nothing when more than two ranks were given."""
    if max(ranking.ranks) > 2:
        return []
    return [
        (letter(index), ranking.ranks[position] == 1 and not ranking.none_acceptable)
        for index, position in enumerate(ranking.shown_order, start=1)
    ]
