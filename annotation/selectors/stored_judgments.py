"""What a labeler said with a stored ranking."""

from collections.abc import Iterator

from django.db.models import Prefetch, QuerySet, prefetch_related_objects

from annotation.judgment.judgment import AnswerRating, BetterAnswer, Judgment
from annotation.models import Answer, Demonstration, Ranking, Rating

# Of the answers that they speak of, the position is all that is needed.
_ratings = Rating.objects.select_related("answer")
_written = Demonstration.objects.select_related("source")
_PARTS = (
    Prefetch(
        "ratings", _ratings.only("ranking", "quality", "flags", "highlights", "answer__position")
    ),
    Prefetch("demonstrations", _written.only("ranking", "text", "is_first", "source__position")),
)


def with_judgments(rankings: QuerySet[Ranking]) -> QuerySet[Ranking]:
    """The rankings with all that `stored_judgment` reads, in two queries for them all."""
    return rankings.prefetch_related(*_PARTS)


def stored_judgment(ranking: Ranking) -> Judgment:
    """The judgment in its normalised form, as it was stored."""
    prefetch_related_objects([ranking], *_PARTS)
    return Judgment(
        ranks=dict(enumerate(ranking.ranks)),
        comment=ranking.comment,
        ratings={
            rating.answer.position: AnswerRating(
                rating.quality, tuple(rating.flags), tuple(rating.highlights)
            )
            for rating in ranking.ratings.all()
        },
        marks=tuple(ranking.marks),
        none_acceptable=ranking.none_acceptable,
        better=next(map(_as_said, ranking.demonstrations.all()), None),
    )


def _as_said(written: Demonstration) -> BetterAnswer:
    source = written.source.position if written.source else None
    return BetterAnswer(written.text, source, written.is_first)


def says_the_same(ranking: Ranking, judgment: Judgment) -> bool:
    """Whether this judgment is the stored one, sent again."""
    return stored_judgment(ranking) == judgment.normalised(texts_of(ranking.group_id))


def texts_of(group_id: int) -> Iterator[str]:
    """The texts of the group's answers, read when they are looked at: most judgments need none."""
    yield from Answer.objects.filter(group=group_id).values_list("text", flat=True)
