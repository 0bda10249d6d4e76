"""Reading triples, for a page or a file."""

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet

from annotation.exchange.triples import question_text
from annotation.lm.chat import with_system
from annotation.models import Project, Rating, Triple
from annotation.selectors.prompts import in_turns
from annotation.selectors.rankings import WRITTEN

UNRATED: tuple[int | None, list[str]] = (None, [])
CHUNK = 2000


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
    return triples.filter(found | in_turns("ranking__group__prompt__messages", text))


def triple_rows(
    queryset: QuerySet[Triple], named: Callable[[int, str], str] = lambda pk, name: name
) -> Iterator[dict[str, Any]]:
    """Rows for annotation.exchange.triples; the question is given as the messages
    that the policy read, and as text. `named` says what a labeler with this key and name is called.

    An answer that a labeler wrote and placed first is a row too: no policy, its end "written".
    Values, not instances: a million rows are made in a minute.
    """
    found = queryset.values_list(*COLUMNS).iterator(chunk_size=CHUNK)
    while chunk := list(map(_Read._make, islice(found, CHUNK))):
        rated = Rating.objects.filter(ranking__in={each.ranking for each in chunk})
        ratings = {
            (ranking, answer): (quality, flags)
            for ranking, answer, quality, flags in rated.values_list(
                *("ranking", "answer", "quality", "flags")
            )
        }
        for each in chunk:
            quality, flags = ratings.get((each.ranking, each.answer), UNRATED)
            yield {
                "question": question_text(each.messages),
                "messages": with_system(each.messages, each.system_prompt),
                "answer": each.text if each.written is None else each.written,
                "score": round(each.score, 6),
                "rank": each.rank,
                "quality": quality,
                "flags": " ".join(flags),
                "marks": " ".join(each.marks),
                "none_acceptable": each.none_acceptable,
                "comment": each.comment,
                "labeler": named(each.labeler, each.labeler_name),
                "group": each.group,
                "policy": each.policy,
                "split": each.split,
                "language": each.language,
                "finish_reason": WRITTEN if each.answer is None else each.finish_reason,
                "ranked_at": each.ranked_at.isoformat(),
            }


class _Read(NamedTuple):
    """One of COLUMNS each."""

    answer: int | None
    text: str | None
    finish_reason: str | None
    policy: int | None
    written: str | None
    score: float
    rank: int
    ranking: int
    marks: list[str]
    none_acceptable: bool
    comment: str
    ranked_at: datetime
    labeler: int
    labeler_name: str
    group: int
    system_prompt: str
    messages: list[Any]
    split: str
    language: str


COLUMNS = (
    "answer",
    "answer__text",
    "answer__finish_reason",
    "answer__policy__number",
    "demonstration__text",
    "score",
    "rank",
    "ranking",
    "ranking__marks",
    "ranking__none_acceptable",
    "ranking__comment",
    "ranking__created_at",
    "ranking__labeler",
    "ranking__labeler__username",
    "ranking__group",
    "ranking__group__system_prompt",
    "ranking__group__prompt__messages",
    "ranking__group__prompt__split",
    "ranking__group__prompt__language",
)
