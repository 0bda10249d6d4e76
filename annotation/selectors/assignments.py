"""Which assignments a labeler may take: the rule lives here and nowhere else."""

import uuid
from typing import Any

from django.db.models import Count, Exists, F, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Now

from annotation.models import (
    Answer,
    Assignment,
    Draft,
    Prompt,
    PromptGroup,
    Ranking,
    Skip,
    User,
    Webhook,
)
from annotation.selectors.compiled import Compiled

HELD = 3
"""The assignment in work, the one ahead, and after an undo the one that was in work before."""


def held_by(labeler: User | int) -> QuerySet[Assignment]:
    """Assignments leased to the labeler: the one in work first, one leased ahead last."""
    held = Assignment.objects.filter(labeler=labeler, is_done=False)
    return held.order_by(F("leased_at").desc(nulls_last=True), "id")


def ran_out() -> Q:
    """Leases whose time is over: what they held may be taken by somebody else."""
    return Q(expires_at__lt=Now())


def free_for(labeler: User | int) -> QuerySet[Assignment]:
    """Assignments that are free or whose lease ran out, of groups this labeler has no part in.

    A group that the labeler ranked has a done assignment of theirs. The two lookups are scalar
    subqueries, which PostgreSQL answers from an index row by row, in the queue's order, until one
    is free; an anti-join would read all that the labeler ever did first.
    """
    same_group = {"group": OuterRef("group"), "labeler": labeler}
    return (
        Assignment.objects.filter(Q(labeler__isnull=True) | ran_out())
        .alias(
            own=Subquery(Assignment.objects.filter(**same_group).values("pk")[:1]),
            skipped=Subquery(Skip.objects.filter(**same_group).values("pk")[:1]),
        )
        .filter(is_done=False, own__isnull=True, skipped__isnull=True)
        .order_by("group_id", "number")
    )


def count_of(rows: QuerySet[Any], by: str) -> Coalesce:
    """How many there are, as a subquery; `by` is the field that ties them to the outer row."""
    counted = rows.order_by().values(by).annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


def _taken_beside() -> Coalesce:
    """How many other assignments of an assignment's group are done or held."""
    others = Assignment.objects.filter(group=OuterRef("group")).exclude(pk=OuterRef("pk"))
    return count_of(others.filter(Q(is_done=True) | Q(expires_at__gte=Now())), by="group")


def next_free(labeler: int, project: int, overlap: int) -> QuerySet[Assignment]:
    """The one to lease to the labeler."""
    return to_lease(labeler, project, overlap)[:1]


def to_lease(labeler: int, project: int, overlap: int) -> QuerySet[Assignment]:
    """Those that may be leased to the labeler, in the queue's order.

    `has_draft`: whether they left a draft of it before; `of_group`: how many its group has in all,
    more than the overlap where that was lowered.
    """
    answers = Answer.objects.filter(group=OuterRef("group"))
    of_group = Assignment.objects.filter(group=OuterRef("group"))
    drafts = Draft.objects.filter(group=OuterRef("group"), labeler=labeler)
    return (
        free_for(labeler)
        .alias(taken=_taken_beside())  # an overlap that was lowered since leaves more assignments
        .filter(project=project, taken__lt=overlap)
        .annotate(
            answer_count=count_of(answers, by="group"),
            of_group=count_of(of_group, by="group"),
            has_draft=Exists(drafts),
        )
    )


def surplus_of(groups: QuerySet[PromptGroup], overlap: int) -> QuerySet[Assignment]:
    """Free assignments of the groups that are more than the overlap leaves to give."""
    before = Assignment.objects.filter(group=OuterRef("group")).filter(
        Q(labeler__isnull=False) | Q(number__lt=OuterRef("number"))
    )
    free = Assignment.objects.filter(group__in=groups, labeler__isnull=True)
    return free.alias(before=count_of(before, by="group")).filter(before__gte=overlap)


def assignment_under(labeler: User, token: uuid.UUID) -> Assignment | None:
    """The assignment that is or was leased to the labeler under `token`, in work or done."""
    return Assignment.objects.filter(labeler=labeler, token=token).first()


def _revisions_by(labeler: User | int) -> QuerySet[Ranking]:
    """The newest revision of the labeler's ranking of the same group, undone ones included."""
    own = Ranking.objects.filter(group=OuterRef("group"), labeler=labeler)
    return own.order_by("-revision").values("revision")[:1]  # type: ignore[return-value]


def _webhooks_of_group(group: PromptGroup | int) -> QuerySet[Webhook]:
    """Those that the group's project tells of rankings."""
    return Webhook.objects.filter(project__groups=group, is_active=True)


held_assignments = Compiled(
    lambda labeler, project: held_by(labeler).filter(project=project)[:HELD],
)
prompt_of_group = Compiled(lambda group: Prompt.objects.filter(groups=group))
answers_of_group = Compiled(
    lambda group: Answer.objects.filter(group=group).only(
        "id", "position", "text", "token_count", "finish_reason"
    )
)
answers_to_rank = Compiled(
    lambda group, labeler: (
        Answer.objects.filter(group=group)
        .only("id", "position")
        .annotate(
            last_revision=Coalesce(Subquery(_revisions_by(labeler)), 0),
            is_told=Exists(_webhooks_of_group(group)),
        )
    )
)
drafts_of = Compiled(lambda group, labeler: Draft.objects.filter(group=group, labeler=labeler))
