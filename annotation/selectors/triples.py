"""The triples that somebody asked for, page by page."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from annotation.models import Project, Triple
from annotation.selectors.rankings import triples

# A search reads the first turns of a conversation and the answer.
SEARCHED_TURNS = 4


@dataclass(frozen=True)
class TripleFilter:
    """None leaves everything in. Scores and days are inclusive; a day is one of TIME_ZONE."""

    q: str | None = None
    labeler: int | None = None
    policy: int | None = None
    split: str | None = None
    language: str | None = None
    lowest: float | None = None
    highest: float | None = None
    since: date | None = None
    until: date | None = None


def filtered_triples(project: Project, wanted: TripleFilter) -> QuerySet[Triple]:
    """Newest first."""
    asked = {
        "ranking__labeler_id": wanted.labeler,
        "answer__policy__number": wanted.policy,
        "ranking__group__prompt__split": wanted.split,
        "ranking__group__prompt__language": wanted.language,
        "score__gte": wanted.lowest,
        "score__lte": wanted.highest,
        "ranking__created_at__gte": wanted.since and _midnight(wanted.since),
        "ranking__created_at__lt": wanted.until and _midnight(wanted.until + timedelta(days=1)),
    }
    queryset = triples(project).filter(**{k: v for k, v in asked.items() if v is not None})
    if wanted.q:
        found = Q(answer__text__icontains=wanted.q) | Q(demonstration__text__icontains=wanted.q)
        for turn in range(SEARCHED_TURNS):
            turn_text = f"ranking__group__prompt__messages__{turn}__content__icontains"
            found |= Q(**{turn_text: wanted.q})
        queryset = queryset.filter(found)
    return queryset


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def labelers_of(project: Project) -> list[tuple[str, str]]:
    """(id, name) of the members, as choices of a form."""
    people = project.members.order_by("username").values_list("id", "username")
    return [(str(pk), name) for pk, name in people]


def policy_numbers(project: Project) -> list[int]:
    return list(project.policyversions.values_list("number", flat=True))
