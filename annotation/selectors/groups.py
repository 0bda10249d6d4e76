"""Reading groups: where each stands in the queue, what was said of it, who skipped it."""

from dataclasses import dataclass

from django.db.models import (
    Avg,
    BooleanField,
    Count,
    Exists,
    ExpressionWrapper,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
)

from annotation.models import (
    Answer,
    Assignment,
    Membership,
    PolicyVersion,
    Project,
    PromptGroup,
    Ranking,
    Skip,
)

RANKED = "ranked"
Status = PromptGroup.Status


@dataclass(frozen=True)
class QueueCounts:
    """Prompts not yet asked of the serving policy, and groups by state."""

    prompts: int
    prompts_waiting: int
    pending: int
    generating: int
    ready: int
    failed: int


def groups_with_open_assignments(project: Project) -> int:
    return (
        Assignment.objects.filter(project=project, is_done=False)
        .values("group_id")
        .distinct()
        .count()
    )


def unranked_groups(project: Project) -> int:
    """Groups that wait for answers or for labelers, and those that failed for good."""
    done_with = (Status.READY, Status.WITHDRAWN, Status.JUDGED)
    waiting = project.groups.filter(is_for_judge=False).exclude(status__in=done_with).count()
    return waiting + groups_with_open_assignments(project)


def queue_counts(project: Project) -> QueueCounts:
    """Three queries, whatever the size of the project."""
    champion = PolicyVersion.Status.CHAMPION
    serving = project.policyversions.filter(status=champion).values("number")[:1]
    prompts = project.prompts.aggregate(
        all=Count("id"),
        waiting=Count("id", filter=Q(last_policy_number__lt=serving, is_withdrawn=False)),
    )
    counts = dict(
        project.groups.filter(is_for_judge=False)
        .exclude(status=PromptGroup.Status.READY)
        .values_list("status")
        .annotate(Count("id"))
    )
    return QueueCounts(
        prompts=prompts["all"],
        prompts_waiting=prompts["waiting"],
        pending=counts.get(PromptGroup.Status.PENDING, 0),
        generating=counts.get(PromptGroup.Status.GENERATING, 0)
        + counts.get(PromptGroup.Status.DRAWN, 0),
        ready=groups_with_open_assignments(project),
        failed=counts.get(PromptGroup.Status.FAILED, 0),
    )


@dataclass(frozen=True)
class JudgedAnswer:
    """One answer and what labelers said of it; `ranks` in the order of the rankings."""

    answer: Answer
    ranks: list[int]
    mean_score: float | None


@dataclass(frozen=True)
class JudgedGroup:
    group: PromptGroup
    answers: list[JudgedAnswer]
    rankings: list[Ranking]


def expected_scores(group_id: int) -> list[float]:
    """What the teacher model expected of each answer, by position; nothing where it did not."""
    return PromptGroup.objects.values_list("expected", flat=True).get(pk=group_id) or []


def listed_groups(project: Project) -> QuerySet[PromptGroup]:
    """Each with its prompt, its policy and `ranked`, the number of its current rankings.

    `is_ranked`: its answers are there, and no labeler is to rank them any more.
    """
    ranked = Count("rankings", filter=Q(rankings__is_current=True))
    is_ranked = Q(status=PromptGroup.Status.READY) & ~Exists(open_assignments_of_group())
    groups = project.groups.select_related("prompt", "policy")
    return groups.annotate(ranked=ranked, is_ranked=ExpressionWrapper(is_ranked, BooleanField()))


def open_assignments_of_group() -> QuerySet[Assignment]:
    """Those of the group that a queryset is about."""
    return Assignment.objects.filter(group=OuterRef("pk"), is_done=False)


def standing_at(groups: QuerySet[PromptGroup], status: str) -> QuerySet[PromptGroup]:
    """Those of the groups that have this status; of those that are ready, the ones that are still
    to be ranked, or with RANKED the others."""
    is_open = Exists(open_assignments_of_group())
    if status == RANKED:
        return groups.filter(~is_open, status=PromptGroup.Status.READY)
    found = groups.filter(status=status)
    return found.filter(is_open) if status == PromptGroup.Status.READY else found


def judged_group(group: PromptGroup) -> JudgedGroup:
    """The group, its answers and its current rankings."""
    rankings = list(
        group.rankings.filter(is_current=True).select_related("labeler").order_by("created_at")
    )
    means = dict(
        group.answers.order_by()
        .filter(triples__ranking__is_current=True)
        .values_list("id")
        .annotate(Avg("triples__score"))
    )
    answers = [
        JudgedAnswer(
            answer,
            [ranking.ranks[answer.position] for ranking in rankings],
            means.get(answer.pk),
        )
        for answer in group.answers.select_related("policy")
    ]
    return JudgedGroup(group, answers, rankings)


def skipped_groups(project: Project) -> QuerySet[PromptGroup]:
    """Those in the queue that somebody skipped: one that everybody skips waits for ever."""
    groups = listed_groups(project).filter(status=PromptGroup.Status.READY)
    skips = Skip.objects.filter(group=OuterRef("pk"))
    return _with_skips(groups.filter(Exists(skips), Exists(open_assignments_of_group())))


def withdrawn_groups(project: Project) -> QuerySet[PromptGroup]:
    """Those that labelers had, or were to have."""
    withdrawn = listed_groups(project).filter(status=PromptGroup.Status.WITHDRAWN)
    return _with_skips(withdrawn.filter(is_for_judge=False))


def nobody_left(groups: QuerySet[PromptGroup], project: Project) -> QuerySet[PromptGroup]:
    """Those of the groups that every labeler of the project has skipped, or ranked already."""
    this_group = {"group": OuterRef(OuterRef("pk")), "labeler": OuterRef("user")}
    could_rank = (
        Membership.objects.filter(project=project, role=Membership.Role.LABELER)
        .exclude(Exists(Skip.objects.filter(**this_group)))
        .exclude(Exists(Ranking.objects.filter(is_current=True, **this_group)))
    )
    return groups.exclude(Exists(could_rank))


def _with_skips(groups: QuerySet[PromptGroup]) -> QuerySet[PromptGroup]:
    """Newest first."""
    skips = Skip.objects.select_related("labeler").order_by("created_at", "id")
    return groups.prefetch_related(Prefetch("skips", skips)).order_by("-id")
