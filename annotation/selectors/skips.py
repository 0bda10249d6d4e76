"""Groups that labelers skipped, for admins: a group that everybody skips waits for ever."""

from django.db.models import Count, Exists, OuterRef, Prefetch, Q, QuerySet

from annotation.models import Assignment, Membership, Project, PromptGroup, Ranking, Skip


def skipped_groups(project: Project) -> QuerySet[PromptGroup]:
    """Those in the queue, each with its question, its skips and `ranked`, its current rankings."""
    groups = project.groups.filter(status=PromptGroup.Status.READY)
    open_assignments = Assignment.objects.filter(group=OuterRef("pk"), is_done=False)
    skips = Skip.objects.filter(group=OuterRef("pk"))
    return _shown(groups.filter(Exists(skips), Exists(open_assignments)))


def withdrawn_groups(project: Project) -> QuerySet[PromptGroup]:
    return _shown(project.groups.filter(status=PromptGroup.Status.WITHDRAWN))


def nobody_left(groups: QuerySet[PromptGroup], project: Project) -> QuerySet[PromptGroup]:
    """Those of the groups that every labeler of the project has skipped, or ranked already."""
    this_group = {"group": OuterRef(OuterRef("pk")), "labeler": OuterRef("user")}
    could_rank = (
        Membership.objects.filter(project=project, role=Membership.Role.LABELER)
        .exclude(Exists(Skip.objects.filter(**this_group)))
        .exclude(Exists(Ranking.objects.filter(is_current=True, **this_group)))
    )
    return groups.exclude(Exists(could_rank))


def _shown(groups: QuerySet[PromptGroup]) -> QuerySet[PromptGroup]:
    skips = Skip.objects.select_related("labeler").order_by("created_at", "id")
    ranked = Count("rankings", filter=Q(rankings__is_current=True))
    return (
        groups.select_related("prompt", "policy")
        .prefetch_related(Prefetch("skips", skips))
        .annotate(ranked=ranked)
        .order_by("-id")
    )
