"""Reading triples, for a page or a file."""

import json
from collections.abc import Callable, Container, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import F, FilteredRelation, Q, QuerySet, TextField
from django.db.models.functions import Cast

from annotation.exchange.triples import question_text
from annotation.exchange.writing.snapshot_rows import WRITTEN
from annotation.lm.chat import with_system
from annotation.models import Project, Triple
from annotation.selectors.prompts import in_turns
from annotation.selectors.whole import CHUNK, rows_of


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
    queryset: QuerySet[Triple],
    named: Callable[[int, str], str] = lambda pk, name: name,
    *,
    kept: Container[int] | None = None,
    whole: bool = False,
) -> Iterator[dict[str, Any]]:
    """Rows for annotation.exchange.triples; the question is given as the messages
    that the policy read, and as text. `named` says what a labeler with this key and name is called.

    An answer that a labeler wrote and placed first is a row too: no policy, its end "written".
    Values, not instances, and what the answers of a ranking have in common is made once for those
    that follow each other. Of the rankings,
    only `kept` ones are read, if that is given. `whole` is for whoever reads to the end.
    """
    found = with_columns(queryset)
    rows = rows_of(found, COLUMNS) if whole else found.values_list(*COLUMNS).iterator(CHUNK)
    last, common = 0, {}
    for text, finish_reason, policy, written, score, rank, quality, flags, ranking, *rest in rows:
        if kept is not None and ranking not in kept:
            continue
        if ranking != last:
            last, common = ranking, _common(_OfRanking._make(rest), named)
        yield {
            **common,
            "answer": text if written is None else written,
            "score": round(score, 6),
            "rank": rank,
            "quality": quality,
            "flags": " ".join(json.loads(flags)) if flags else "",
            "policy": policy,
            "finish_reason": WRITTEN if text is None else finish_reason,
        }


def _common(each: "_OfRanking", named: Callable[[int, str], str]) -> dict[str, Any]:
    """What all answers of a ranking have in their rows."""
    messages, at = json.loads(each.messages), each.ranked_at
    when = datetime.fromisoformat(at) if isinstance(at, str) else at
    return {
        "question": question_text(messages),
        "messages": with_system(messages, each.system_prompt),
        "marks": " ".join(json.loads(each.marks)),
        "none_acceptable": each.none_acceptable,
        "comment": each.comment,
        "labeler": named(each.labeler, each.labeler_name),
        "group": each.group,
        "split": each.split,
        "language": each.language,
        "ranked_at": when.isoformat(),
    }


def with_columns(queryset: QuerySet[Triple]) -> QuerySet[Triple]:
    """With all that COLUMNS name: what was noted of each answer, and JSON as text."""
    of_answer = Q(ranking__ratings__answer=F("answer"))
    return queryset.annotate(
        rating=FilteredRelation("ranking__ratings", condition=of_answer),
        flags_text=Cast("rating__flags", TextField()),
        marks_text=Cast("ranking__marks", TextField()),
        messages_text=Cast("ranking__group__prompt__messages", TextField()),
    )


class _OfRanking(NamedTuple):
    """The last of COLUMNS, one each."""

    marks: str
    none_acceptable: bool
    comment: str
    ranked_at: datetime | str
    labeler: int
    labeler_name: str
    group: int
    system_prompt: str
    messages: str
    split: str
    language: str


COLUMNS = {
    "answer__text": "text",
    "answer__finish_reason": "text",
    "answer__policy__number": "int8",
    "demonstration__text": "text",
    "score": "float8",
    "rank": "int8",
    "rating__quality": "int8",
    "flags_text": "text",
    "ranking": "int8",
    "marks_text": "text",
    "ranking__none_acceptable": "bool",
    "ranking__comment": "text",
    "ranking__created_at": "text",
    "ranking__labeler": "int8",
    "ranking__labeler__username": "text",
    "ranking__group": "int8",
    "ranking__group__system_prompt": "text",
    "messages_text": "text",
    "ranking__group__prompt__split": "text",
    "ranking__group__prompt__language": "text",
}
