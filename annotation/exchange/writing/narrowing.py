"""What of a ranked group is taken out: judgments with ties or without, each or their consensus."""

from itertools import combinations
from typing import Any

from annotation.exchange.writing.native import Row
from annotation.judgment.agreement import agreement
from annotation.judgment.judgment import RANKING
from annotation.judgment.scores import dense_ranks, mid_ranks

CONSENSUS = "consensus"


def is_whole(ranking: Row) -> bool:
    """Whether it ranks every answer; one that leaves some out says nothing of them."""
    return None not in ranking["ranks"]


def is_uninformed(ranking: Row) -> bool:
    """Whether its labeler had not read before what the teacher model expected."""
    return not ranking.get("informed")


def is_strict(ranking: Row) -> bool:
    """Whether it puts all answers in an order, none beside another."""
    return is_whole(ranking) and len(set(ranking["ranks"])) == len(ranking["ranks"])


def agreement_in(group: Row) -> float | None:
    """Of its labelers, pair by pair; None where fewer than two put all answers in any order.

    Who had read before what the teacher model expected does not count.
    """
    counted = filter(is_uninformed, group["rankings"])
    ranks = [ranking["ranks"] for ranking in counted if is_whole(ranking)]
    return agreement(combinations(ranks, 2))


def without_ties(group: Row) -> dict[str, Any]:
    """With those rankings that put all answers in an order; perhaps none."""
    strict = [ranking for ranking in group["rankings"] if is_strict(ranking)]
    return {**group, "rankings": strict}


def with_consensus(group: Row) -> dict[str, Any]:
    """One ranking stands for all: by the mean of the answers' mid-ranks (Borda); equal means tie.

    What labelers said beside their ranks is left out, and so are answers that they wrote, and
    rankings that leave answers out.
    """
    whole = [ranking for ranking in group["rankings"] if is_whole(ranking)]
    if not whole:
        return {**group, "rankings": []}
    places = [mid_ranks(ranking["ranks"]) for ranking in whole]
    means = [round(sum(each), 9) for each in zip(*places, strict=True)]
    order = sorted(set(means))
    ranks = dense_ranks([order.index(mean) + 1 for mean in means])
    count = len(ranks)
    consensus: dict[str, Any] = {
        "labeler": CONSENSUS,
        "mode": whole[0]["mode"] if len(whole) == 1 else RANKING,
        "ranks": ranks,
        "ratings": [None] * count,
        "flags": [[]] * count,
        "highlights": [[]] * count,
        "marks": [],
        "none_acceptable": all(each["none_acceptable"] for each in whole),
        "comment": "",
        "better": None,
        "labelers": len(places),
    }
    return {**group, "rankings": [consensus]}
