"""What a labeler said with a stored ranking."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Prefetch, QuerySet, prefetch_related_objects

from annotation.judgment.judgment import AnswerRating, BetterAnswer, Judgment
from annotation.models import Answer, Demonstration, Project, Ranking, Rating

# What is fetched with each ranking, as lists: a manager would make a query anew for each.
RATED, BETTER = "rated", "better"


def _parts() -> "tuple[Prefetch[Any], Prefetch[Any]]":
    """Of the answers that they speak of, the position is all that is read."""
    ratings = Rating.objects.select_related("answer")
    written = Demonstration.objects.select_related("source")
    return (
        Prefetch(
            "ratings",
            ratings.only("ranking", "quality", "flags", "highlights", "answer__position"),
            RATED,
        ),
        Prefetch(
            "demonstrations",
            written.only("ranking", "text", "is_first", "source__position"),
            BETTER,
        ),
    )


def with_judgments(rankings: QuerySet[Ranking]) -> QuerySet[Ranking]:
    """The rankings with all that `prefetched_judgment` reads, in two queries for them all."""
    return rankings.prefetch_related(*_parts())


def stored_judgment(ranking: Ranking) -> Judgment:
    """The judgment in its normalised form, as it was stored."""
    prefetch_related_objects([ranking], *_parts())
    return prefetched_judgment(ranking)


def prefetched_judgment(ranking: Ranking) -> Judgment:
    """`stored_judgment` of one of `with_judgments`, without a query."""
    rated: list[Rating] = getattr(ranking, RATED)
    better: list[Demonstration] = getattr(ranking, BETTER)
    return Judgment(
        ranks=dict(enumerate(ranking.ranks)),
        comment=ranking.comment,
        ratings={
            rating.answer.position: AnswerRating(
                rating.quality, tuple(rating.flags), tuple(rating.highlights)
            )
            for rating in rated
        },
        marks=tuple(ranking.marks),
        none_acceptable=ranking.none_acceptable,
        better=next(map(_as_said, better), None),
        mode=ranking.mode,
    )


def _as_said(written: Demonstration) -> BetterAnswer:
    source = written.source.position if written.source else None
    return BetterAnswer(written.text, source, written.is_first)


def says_the_same(ranking: Ranking, judgment: Judgment) -> bool:
    """Whether this judgment is the stored one, sent again."""
    return stored_judgment(ranking) == as_stored(judgment, ranking)


def as_stored(judgment: Judgment, ranking: Ranking) -> Judgment:
    """What the ranking holds when this was said: with what the revision before it says of what is
    not asked any more, normalised."""
    if ranking.revision > 1:
        own = Ranking.objects.filter(group=ranking.group_id, labeler=ranking.labeler_id)
        earlier = own.filter(revision__lt=ranking.revision).order_by("-revision")[0]
        asked = Project.objects.get(groups=ranking.group_id).asked
        judgment = judgment.carrying(stored_judgment(earlier), asked)
    return judgment.normalised(_texts_of(ranking.group_id))


def _texts_of(group_id: int) -> Iterator[str]:
    """The texts of the group's answers, read when they are looked at: most judgments need none."""
    yield from Answer.objects.filter(group=group_id).values_list("text", flat=True)
