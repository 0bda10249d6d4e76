"""Blind comparisons: started, and ended when people have decided, or cannot."""

from functools import partial

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.models import Comparison, PolicyVersion, Project, PromptGroup, User
from annotation.selectors.comparisons import prompts_to_compare
from annotation.services.generation import call_worker
from annotation.services.groups import seed_of, withdraw_group

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
            PromptGroup.objects.bulk_create(
                PromptGroup(
                    project=project,
                    prompt=prompt,
                    policy=first,
                    comparison=comparison,
                    answer_count=2,
                    seed=seed_of(prompt, first),
                )
                for prompt in chosen
            )
            transaction.on_commit(partial(call_worker, project.pk), robust=True)
    except IntegrityError as problem:
        raise ComparisonRefused(_("These two are being compared just now.")) from problem
    return comparison


@transaction.atomic
def end_comparison(comparison: Comparison, status: Comparison.Status) -> bool:
    """Takes what nobody has judged out of the queue; False where it had ended already."""
    running = Comparison.objects.filter(pk=comparison.pk, status=Comparison.Status.RUNNING)
    if not running.update(status=status, finished_at=timezone.now()):
        return False
    unjudged = comparison.groups.filter(rankings=None)
    for group in unjudged.filter(status=Status.READY):
        withdraw_group(group)
    waiting = (Status.PENDING, Status.GENERATING, Status.FAILED)
    unjudged.filter(status__in=waiting).update(status=Status.WITHDRAWN, claim=None)
    return True
