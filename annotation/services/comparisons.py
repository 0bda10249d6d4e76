"""Blind comparisons: started, ended when people have decided, or cannot, and gone on with."""

from collections.abc import Iterable

from django.db import IntegrityError, transaction
from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.models import Comparison, PolicyVersion, Project, Prompt, PromptGroup, User
from annotation.selectors.comparisons import prompts_to_compare
from annotation.services.calling import call_after_commit
from annotation.services.generation import call_worker
from annotation.services.groups import put_back_group, seed_of, withdraw_group

MOST_PROMPTS = 200
Status = PromptGroup.Status


class ComparisonRefused(Exception):
    """The sentence says why."""


def start_comparison(
    project: Project,
    first: PolicyVersion,
    second: PolicyVersion,
    *,
    prompts: int = MOST_PROMPTS,
    by: User | None = None,
    promotes: bool = False,
) -> Comparison:
    """Asks both for an answer to so many held-out prompts, at most. Raises ComparisonRefused."""
    if first == second:
        raise ComparisonRefused(_("Choose two different versions."))
    chosen = list(prompts_to_compare(project, first, second)[:prompts])
    if not chosen:
        raise ComparisonRefused(
            _("There is no held-out prompt left on which the two have not met: add prompts.")
        )
    try:
        with transaction.atomic():
            comparison = Comparison.objects.create(
                project=project, first=first, second=second, started_by=by, promotes=promotes
            )
            ask_both(comparison, chosen)
    except IntegrityError as problem:
        raise ComparisonRefused(_("These two are being compared just now.")) from problem
    return comparison


@transaction.atomic
def ask_both(
    comparison: Comparison, prompts: Iterable[Prompt], *, is_for_judge: bool = False
) -> None:
    """Both versions are to answer these prompts, for labelers or for a judge model alone."""
    PromptGroup.objects.bulk_create(
        PromptGroup(
            project_id=comparison.project_id,
            prompt=prompt,
            policy=comparison.first,
            comparison=comparison,
            is_for_judge=is_for_judge,
            answer_count=2,
            seed=seed_of(prompt, comparison.first),
        )
        for prompt in prompts
    )
    call_after_commit(call_worker, comparison.project_id)


@transaction.atomic
def end_comparison(comparison: Comparison, status: Comparison.Status) -> bool:
    """Takes what nobody has judged out of the queue; False where it had ended already.

    What only a judge model judges goes on.
    """
    running = Comparison.objects.filter(pk=comparison.pk, status=Comparison.Status.RUNNING)
    if not running.update(status=status, finished_at=timezone.now()):
        return False
    unjudged = comparison.groups.filter(rankings=None, is_for_judge=False)
    for group in unjudged.filter(status=Status.READY):
        withdraw_group(group)
    waiting = (Status.PENDING, Status.GENERATING, Status.FAILED)
    unjudged.filter(status__in=waiting).update(status=Status.WITHDRAWN, claim=None)
    return True


def resume_comparison(comparison: Comparison) -> None:
    """Goes on where it was cancelled: what nobody had judged comes back into the queue, or is asked
    for. What somebody skipped stays away, since an admin may have taken it out.

    Raises ComparisonRefused where nothing of it is left, or the two are being compared just now.
    """
    cancelled = Comparison.objects.filter(pk=comparison.pk, status=Comparison.Status.CANCELLED)
    left = comparison.groups.filter(
        status=Status.WITHDRAWN,
        is_for_judge=False,
        prompt__is_withdrawn=False,
        rankings=None,
        skips=None,
    )
    try:
        with transaction.atomic():
            if not cancelled.update(status=Comparison.Status.RUNNING, finished_at=None):
                return
            groups = list(left.select_related("project").annotate(written=Count("answers")))
            if not groups:
                raise ComparisonRefused(_("Nothing of this comparison is left to judge."))
            unanswered = [group.pk for group in groups if group.written < group.answer_count]
            for group in groups:
                if group.pk not in unanswered:
                    put_back_group(group)
            again = PromptGroup.objects.filter(pk__in=unanswered)
            again.update(status=Status.PENDING, attempts=0)
            call_after_commit(call_worker, comparison.project_id)
    except IntegrityError as problem:
        raise ComparisonRefused(_("These two are being compared just now.")) from problem
