"""Reading groups: how many stand where in the queue."""

from dataclasses import dataclass

from django.db.models import Avg, Count, Q, QuerySet
from django.shortcuts import get_object_or_404

from annotation.models import Answer, Assignment, PolicyVersion, Project, PromptGroup, Ranking


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
    done_with = (PromptGroup.Status.READY, PromptGroup.Status.WITHDRAWN)
    waiting = project.groups.exclude(status__in=done_with).count()
    return waiting + groups_with_open_assignments(project)


def queue_counts(project: Project) -> QueueCounts:
    """Three queries, whatever the size of the project."""
    champion = PolicyVersion.Status.CHAMPION
    serving = project.policyversions.filter(status=champion).values("number")[:1]
    prompts = project.prompts.aggregate(
        all=Count("id"), waiting=Count("id", filter=Q(last_policy_number__lt=serving))
    )
    counts = dict(
        project.groups.exclude(status=PromptGroup.Status.READY)
        .values_list("status")
        .annotate(Count("id"))
    )
    return QueueCounts(
        prompts=prompts["all"],
        prompts_waiting=prompts["waiting"],
        pending=counts.get(PromptGroup.Status.PENDING, 0),
        generating=counts.get(PromptGroup.Status.GENERATING, 0),
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


def listed_groups(project: Project, status: str = "") -> QuerySet[PromptGroup]:
    """With prompt, policy and the number of current rankings; all of them, or of one status."""
    groups = project.groups.select_related("prompt", "policy").annotate(
        ranked=Count("rankings", filter=Q(rankings__is_current=True))
    )
    return groups.filter(status=status) if status else groups


def group_with_rankings(project: Project, pk: int) -> JudgedGroup:
    """One group, its answers and its current rankings. Raises Http404."""
    group = get_object_or_404(project.groups.select_related("prompt", "policy"), pk=pk)
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
