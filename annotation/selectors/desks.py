"""What waits for a labeler, one desk a project, and what they have done at it so far."""

from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from django.db.models import (
    Count,
    IntegerField,
    OuterRef,
    QuerySet,
    Subquery,
)
from django.db.models.functions import Coalesce
from django.utils import timezone

from annotation.judgment.agreement import AS_SAID, agreement
from annotation.models import (
    Assignment,
    Draft,
    Membership,
    Project,
    PromptGroup,
    Ranking,
    Skip,
    User,
)
from annotation.selectors.assignments import free_for
from annotation.selectors.demonstrations import has_prompts_to_answer
from annotation.selectors.projects import ADMINS, at_work, projects_of

MOST_COUNTED = 100
RECENT = 100


@dataclass(frozen=True)
class Desk:
    """One project as its member sees it: groups to rank, those ranked today, answers to write.

    Free groups are counted up to MOST_COUNTED, so that a long queue costs no more than that.
    """

    project: Project
    role: str
    waiting: int
    ranked_today: int
    has_writing: bool

    @property
    def waiting_shown(self) -> str:
        return f"{MOST_COUNTED}+" if self.waiting >= MOST_COUNTED else str(self.waiting)

    @property
    def is_admin(self) -> bool:
        return self.role in ADMINS

    @property
    def role_name(self) -> str:
        return str(Membership.Role(self.role).label)


@dataclass(frozen=True)
class Progress:
    """`seconds` is the median of the last hundred rankings, `agreement` a share of them."""

    today: int
    in_all: int
    seconds: float | None
    agreement: float | None


def midnight() -> datetime:
    """Of today, where the page's viewer is; in a task, in TIME_ZONE."""
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)


class _CountOf(Subquery):
    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS counted)"


def _count(queryset: QuerySet[Any], project: str) -> Coalesce:
    counted = queryset.order_by().values(project).annotate(n=Count("group", distinct=True))
    return Coalesce(Subquery(counted.values("n"), output_field=IntegerField()), 0)


def desks_of(user: User) -> list[Desk]:
    """The user's projects, in one query, archived ones apart; a superuser is admin of all."""
    own = Assignment.objects.filter(labeler=user, is_done=False, project=OuterRef("pk"))
    free = free_for(user).filter(project=OuterRef("pk"))
    groups = free.order_by("group_id").values("group_id").distinct()[:MOST_COUNTED]
    today = Ranking.objects.filter(
        group__project=OuterRef("pk"), labeler=user, is_current=True, created_at__gte=midnight()
    )
    role = Membership.objects.filter(project=OuterRef("pk"), user=user).values("role")
    projects = at_work(projects_of(user)).annotate(
        role=Subquery(role[:1]),
        held=_count(own, "project"),
        free=_CountOf(groups, output_field=IntegerField()),
        ranked_today=_count(today, "group__project"),
        has_writing=has_prompts_to_answer(user),
    )
    return [
        Desk(
            project=project,
            role=Membership.Role.ADMIN if user.is_superuser else project.role,
            waiting=project.held + project.free,
            ranked_today=project.ranked_today,
            has_writing=project.has_writing,
        )
        for project in projects
    ]


@dataclass(frozen=True)
class ComingAnswers:
    """Groups whose answers are still to come, and whether the policy is writing any just now."""

    groups: int
    is_writing: bool


def answers_coming(project: Project) -> ComingAnswers:
    """One query. The policy does not write while its machine is busy, with training above all."""
    status = PromptGroup.Status
    coming = project.groups.filter(status__in=(status.PENDING, status.GENERATING, status.DRAWN))
    counts = dict(coming.order_by().values_list("status").annotate(Count("id")))
    return ComingAnswers(sum(counts.values()), status.GENERATING in counts)


def rankings_by(project: Project, labeler: User) -> QuerySet[Ranking]:
    """All revisions of the labeler's rankings in the project, newest first, with their prompts."""
    own = Ranking.objects.filter(labeler=labeler, group__project=project)
    return own.select_related("group__prompt").order_by("-id")


def own_rankings(project: Project, labeler: User) -> QuerySet[Ranking]:
    """The labeler's current rankings in the project, newest first."""
    return rankings_by(project, labeler).filter(is_current=True)


def ranked_today(project: Project, labeler: User) -> int:
    return own_rankings(project, labeler).filter(created_at__gte=midnight()).count()


def progress_of(project: Project, labeler: User) -> Progress:
    """Four queries, whatever was ranked. Agreement is of what nobody said after they had read what
    the teacher model expected."""
    own = own_rankings(project, labeler)
    recent = list(own.values_list("group_id", "ranks", "is_informed", "seconds")[:RECENT])
    ranks = {group: said for group, said, is_informed, _seconds in recent if not is_informed}
    others = Ranking.objects.filter(
        group_id__in=ranks, group__picked__in=AS_SAID, is_current=True, is_informed=False
    ).exclude(labeler=labeler)
    seconds = [spent for *_said, spent in recent if spent is not None]
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


def own_skip(project: Project, labeler: User, number: str) -> Skip | None:
    """The labeler's skip in the project under the number that an address names."""
    own = Skip.objects.filter(labeler=labeler, group__project=project)
    return own.filter(pk=int(number[:18])).first() if number.isdecimal() else None
