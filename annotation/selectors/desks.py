"""What waits for a labeler: one desk a project."""

from dataclasses import dataclass
from typing import Any

from django.db.models import (
    Count,
    IntegerField,
    OuterRef,
    QuerySet,
    Subquery,
)
from django.db.models.functions import Coalesce

from annotation.models import Assignment, Membership, Project, PromptGroup, Ranking, User
from annotation.selectors.assignments import free_for
from annotation.selectors.demonstrations import has_prompts_to_answer
from annotation.selectors.progress import midnight
from annotation.selectors.projects import ADMINS, projects_of

MOST_COUNTED = 100


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


class _CountOf(Subquery):
    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS counted)"


def _count(queryset: QuerySet[Any], project: str) -> Coalesce:
    counted = queryset.order_by().values(project).annotate(n=Count("group", distinct=True))
    return Coalesce(Subquery(counted.values("n"), output_field=IntegerField()), 0)


def desks_of(user: User) -> list[Desk]:
    """The user's projects, in one query; a superuser counts as admin everywhere."""
    own = Assignment.objects.filter(labeler=user, is_done=False, project=OuterRef("pk"))
    free = free_for(user).filter(project=OuterRef("pk"))
    groups = free.order_by("group_id").values("group_id").distinct()[:MOST_COUNTED]
    today = Ranking.objects.filter(
        group__project=OuterRef("pk"), labeler=user, is_current=True, created_at__gte=midnight()
    )
    role = Membership.objects.filter(project=OuterRef("pk"), user=user).values("role")
    projects = projects_of(user).annotate(
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


def answers_coming(project: Project) -> int:
    """Groups whose answers the policy is still writing or about to write."""
    coming = (PromptGroup.Status.PENDING, PromptGroup.Status.GENERATING)
    return project.groups.filter(status__in=coming).count()
