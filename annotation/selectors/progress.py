"""What a labeler has done so far."""

from dataclasses import dataclass
from datetime import datetime
from statistics import median

from django.db.models import QuerySet
from django.utils import timezone

from annotation.judgment.agreement import agreement
from annotation.models import Assignment, Draft, Project, Ranking, Skip, User

RECENT = 100


@dataclass(frozen=True)
class Progress:
    """`seconds` is the median of the last hundred rankings, `agreement` a share of them."""

    today: int
    in_all: int
    seconds: float | None
    agreement: float | None


def midnight() -> datetime:
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)


def rankings_by(project: Project, labeler: User) -> QuerySet[Ranking]:
    """All revisions of the labeler's rankings in the project, newest first."""
    return Ranking.objects.filter(labeler=labeler, group__project=project).order_by("-id")


def own_rankings(project: Project, labeler: User) -> QuerySet[Ranking]:
    """The labeler's current rankings in the project, newest first."""
    return rankings_by(project, labeler).filter(is_current=True)


def ranked_today(project: Project, labeler: User) -> int:
    return own_rankings(project, labeler).filter(created_at__gte=midnight()).count()


def progress_of(project: Project, labeler: User) -> Progress:
    """Four queries, whatever was ranked."""
    own = own_rankings(project, labeler)
    recent = list(own.values_list("group_id", "ranks", "seconds")[:RECENT])
    ranks = {group: own_ranks for group, own_ranks, _seconds in recent}
    others = Ranking.objects.filter(group_id__in=ranks, is_current=True).exclude(labeler=labeler)
    seconds = [spent for _group, _ranks, spent in recent if spent is not None]
    return Progress(
        today=ranked_today(project, labeler),
        in_all=own.count(),
        seconds=median(seconds) if seconds else None,
        agreement=agreement(
            (ranks[group], other) for group, other in others.values_list("group_id", "ranks")
        ),
    )


def kept_drafts(project: Project, labeler: User) -> QuerySet[Draft]:
    """Drafts whose group is no longer the labeler's: they come back if the group does.

    A skipped group never does, and a draft in which nothing was said has nothing to bring.
    """
    held = Assignment.objects.filter(project=project, labeler=labeler).values("group_id")
    skipped = Skip.objects.filter(labeler=labeler).values("group_id")
    drafts = Draft.objects.filter(labeler=labeler, group__project=project).exclude(content={})
    waiting = drafts.exclude(group_id__in=held).exclude(group_id__in=skipped)
    return waiting.select_related("group__prompt").order_by("-id")
