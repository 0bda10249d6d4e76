"""Reading triples, for a page or a file."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Q, QuerySet

from annotation.exchange.triples import question_text
from annotation.models import Project, Rating, Triple
from annotation.selectors.rankings import WRITTEN

UNRATED = Rating()
# A search reads the first turns of a conversation and the answer.
SEARCHED_TURNS = 4


def triples(project: Project) -> QuerySet[Triple]:
    """The project's current triples, newest first, with all that a page or a file shows."""
    return (
        Triple.objects.filter(project=project, ranking__is_current=True)
        .select_related(
            *("answer__policy", "demonstration"),
            *("ranking__group__prompt", "ranking__labeler"),
        )
        .order_by("-id")
    )


def with_text(triples: QuerySet[Triple], text: str) -> QuerySet[Triple]:
    """Those whose answer, or one of the first turns of whose question, contains the text."""
    found = Q(answer__text__icontains=text) | Q(demonstration__text__icontains=text)
    for turn in range(SEARCHED_TURNS):
        found |= Q(**{f"ranking__group__prompt__messages__{turn}__content__icontains": text})
    return triples.filter(found)


def triple_rows(queryset: QuerySet[Triple]) -> Iterator[dict[str, Any]]:
    """Rows for annotation.exchange.triples; the question is given as the messages
    that the policy read, and as text.

    An answer that a labeler wrote and placed first is a row too: no policy, its end "written".
    """
    rated = queryset.prefetch_related("ranking__ratings")
    for triple in rated.iterator(chunk_size=1000):
        group, answer = triple.ranking.group, triple.answer
        rating = next(
            (one for one in triple.ranking.ratings.all() if one.answer_id == triple.answer_id),
            UNRATED,
        )
        yield {
            "question": question_text(group.prompt.messages),
            "messages": group.messages,
            "answer": triple.text,
            "score": round(triple.score, 6),
            "rank": triple.rank,
            "quality": rating.quality,
            "flags": " ".join(rating.flags),
            "marks": " ".join(triple.ranking.marks),
            "none_acceptable": triple.ranking.none_acceptable,
            "comment": triple.ranking.comment,
            "labeler": triple.ranking.labeler.username,
            "group": group.pk,
            "policy": triple.policy_number,
            "split": group.prompt.split,
            "language": group.prompt.language,
            "finish_reason": answer.finish_reason if answer else WRITTEN,
            "ranked_at": triple.ranking.created_at.isoformat(),
        }
