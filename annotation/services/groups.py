"""The life of a prompt group: asked for, claimed by a worker, answered or failed."""

import hashlib
import uuid
from collections.abc import Iterable, Sequence

from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from annotation.lm.completion import Completion
from annotation.models import Answer, Assignment, PolicyVersion, Project, Prompt, PromptGroup
from annotation.selectors.claims import CLAIM, run_out
from annotation.selectors.groups import unranked_groups
from annotation.selectors.policies import champion_policy
from annotation.services.assignments import fit_assignments, keep_for_holder

Status = PromptGroup.Status


@transaction.atomic
def top_up(project: Project) -> int:
    """Asks for answers until the project's target is met; returns how many groups now wait.

    Prompts that were never answered come first, then those that an older policy answered.
    Groups that failed for good count, so a broken model does not run through all prompts.
    """
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    project.groups.filter(status=Status.FAILED, attempts__lt=PromptGroup.MAX_ATTEMPTS).update(
        status=Status.PENDING
    )
    policy = champion_policy(project)
    _drop_unanswered(policy)
    missing = project.queue_target - unranked_groups(project)
    if missing > 0:
        prompts = list(
            project.prompts.filter(
                is_withdrawn=False, last_policy_number__lt=policy.number
            ).order_by("last_policy_number", "id")[:missing]
        )
        PromptGroup.objects.bulk_create(
            PromptGroup(
                project=project,
                prompt=prompt,
                policy=policy,
                answer_count=prompt.answers_wanted or project.answers_per_group,
                seed=seed_of(prompt, policy),
            )
            for prompt in prompts
        )
        Prompt.objects.filter(pk__in=[prompt.pk for prompt in prompts]).update(
            last_policy_number=policy.number
        )
    return project.groups.filter(status=Status.PENDING).count()


@transaction.atomic
def ask_only(policy: PolicyVersion) -> None:
    """What waits for another version's answers is dropped, and each prompt that this version was
    not asked yet may be asked of it, whichever else answered it meanwhile."""
    _drop_unanswered(policy)
    of_policy = PromptGroup.objects.filter(
        prompt=OuterRef("pk"), policy=policy, comparison__isnull=True
    )
    prompts = Prompt.objects.filter(project_id=policy.project_id)
    asked = prompts.filter(Exists(of_policy), last_policy_number__lt=policy.number)
    asked.update(last_policy_number=policy.number)
    unasked = prompts.filter(~Exists(of_policy), last_policy_number__gte=policy.number)
    unasked.update(last_policy_number=policy.number - 1)


def _drop_unanswered(policy: PolicyVersion) -> None:
    """The groups that wait for the answers of others than `policy`, except those of comparisons."""
    waiting = PromptGroup.objects.filter(
        project_id=policy.project_id,
        status=Status.PENDING,
        comparison__isnull=True,
        policy__isnull=False,
    )
    waiting.exclude(policy=policy).delete()


def seed_of(prompt: Prompt, policy: PolicyVersion) -> int:
    """The same prompt asked of the same version gives the same answers wherever it is asked."""
    digest = hashlib.sha256(f"{prompt.key} {policy.number}".encode()).digest()
    return int.from_bytes(digest[:6], "big")


@transaction.atomic
def claim_groups(project_id: int, limit: int) -> list[PromptGroup]:
    """Up to `limit` pending groups of one policy, claimed for this worker for a minute; those that
    only a judge model waits for come last, by themselves. None of an archived project.
    """
    pending = PromptGroup.objects.filter(
        project_id=project_id, project__archived_at__isnull=True, status=Status.PENDING
    ).select_related("prompt", "policy", "project")
    locked = pending.select_for_update(skip_locked=True, of=("self",))
    groups = list(locked.order_by("is_for_judge", "policy_id", "id")[:limit])
    groups = [group for group in groups if _kind(group) == _kind(groups[0])]
    claim = uuid.uuid4()
    for group in groups:
        group.status, group.claim = Status.GENERATING, claim
        group.claimed_until = timezone.now() + CLAIM
        group.attempts += 1
    PromptGroup.objects.bulk_update(groups, ["status", "claim", "claimed_until", "attempts"])
    return groups


def _kind(group: PromptGroup) -> tuple[bool, int | None]:
    return group.is_for_judge, group.policy_id


def answers_to_draw(group: PromptGroup) -> int:
    """Of the version that is asked now: one, where two are compared."""
    if group.comparison_id is not None:
        return 1
    return max(group.answer_count, group.project.answers_drawn)


def renew_claim(group: PromptGroup) -> None:
    """For all groups that were claimed together with this one."""
    PromptGroup.objects.filter(claim=group.claim, status=Status.GENERATING).update(
        claimed_until=timezone.now() + CLAIM
    )


def _hold(group: PromptGroup) -> PromptGroup | None:
    """The locked group, unless the claim was lost to another worker meanwhile."""
    return (
        PromptGroup.objects.select_for_update()
        .filter(pk=group.pk, claim=group.claim, status=Status.GENERATING)
        .first()
    )


@transaction.atomic
def store_answers(
    group: PromptGroup,
    answers: Iterable[Completion],
    *,
    sampling: dict[str, float],
    system_prompt: str = "",
) -> bool:
    """Stores the answers and opens the group's assignments; False when the claim was lost.

    Where two versions are compared, the second is asked after the first's answer is stored. Where
    more were drawn than are to be shown, the group waits for `pick_answers` instead.
    `sampling` and `system_prompt` are those with which the answers were made.
    """
    held = _hold(group)
    if held is None:
        return False
    Answer.objects.bulk_create(
        Answer(
            group=held,
            position=position,
            text=answer.text,
            policy_id=held.policy_id,
            sampling=sampling,
            seed=answer.seed,
            token_count=len(answer.token_ids),
            finish_reason=answer.finish_reason,
        )
        for position, answer in enumerate(answers, held.answers.count())
    )
    held.claim = held.claimed_until = None
    held.system_prompt, held.failure_reason = system_prompt, ""
    if held.comparison and held.policy_id == held.comparison.first_id:
        held.policy, held.status, held.attempts = held.comparison.second, Status.PENDING, 0
        held.save()
    elif held.is_for_judge:
        held.status, held.ready_at = Status.JUDGED, timezone.now()
        held.save()
    elif held.answers.count() > held.answer_count:
        held.status = Status.DRAWN
        held.save()
    else:
        open_group(held)
    return True


def open_group(group: PromptGroup) -> None:
    """From now on labelers may rank the group, as many as the overlap is by now."""
    fit_assignments(Project.objects.get(pk=group.project_id), group)
    group.status, group.ready_at = Status.READY, timezone.now()
    group.save()


@transaction.atomic
def pick_answers(group: PromptGroup, positions: Sequence[int], picked: str) -> bool:
    """Opens a group that waits for it with the answers at these positions; False when it does not.

    The others go. `picked` says by what, as `PromptGroup.Picked` has it.
    """
    drawn = PromptGroup.objects.select_for_update().filter(pk=group.pk, status=Status.DRAWN)
    held = drawn.first()
    if held is None:
        return False
    held.answers.exclude(position__in=positions).delete()
    for place, answer in enumerate(held.answers.order_by("position")):
        Answer.objects.filter(pk=answer.pk).update(position=place)
    held.picked = picked
    open_group(held)
    return True


@transaction.atomic
def fail_group(group: PromptGroup, reason: str) -> None:
    """Marks the group failed, with a reason for admins; labelers never see it."""
    held = _hold(group)
    if held is not None:
        held.status, held.failure_reason = Status.FAILED, reason
        held.claim = held.claimed_until = None
        held.save()


@transaction.atomic
def release_lapsed_claims() -> int:
    """Puts back the groups whose worker died; after the last attempt they fail."""
    lapsed = PromptGroup.objects.filter(run_out(), status=Status.GENERATING)
    freed = {"claim": None, "claimed_until": None}
    lapsed.filter(attempts__gte=PromptGroup.MAX_ATTEMPTS).update(
        status=Status.FAILED,
        failure_reason="The worker died while generating, as often as it was tried.",
        **freed,
    )
    return lapsed.update(status=Status.PENDING, **freed)


@transaction.atomic
def withdraw_group(group: PromptGroup) -> bool:
    """Takes the group out of the queue; its rankings stay. False when it is not in the queue.

    Whoever works on it just now cannot submit it any more; their draft is kept.
    """
    ready = PromptGroup.objects.filter(pk=group.pk, status=Status.READY)
    if not ready.update(status=Status.WITHDRAWN):
        return False
    open_assignments = Assignment.objects.filter(group=group, is_done=False)
    for assignment in open_assignments.filter(labeler__isnull=False):
        keep_for_holder(assignment)
    open_assignments.delete()
    return True


@transaction.atomic
def put_back_group(group: PromptGroup) -> bool:
    """Opens a withdrawn group's assignments again. False when it is not withdrawn, or was never for
    labelers."""
    withdrawn = PromptGroup.objects.filter(pk=group.pk, status=Status.WITHDRAWN, is_for_judge=False)
    if not withdrawn.update(status=Status.READY):
        return False
    fit_assignments(group.project, group)
    return True


def retry_failed_groups(project: Project) -> int:
    """Gives every failed group of the project a fresh set of attempts."""
    return project.groups.filter(status=Status.FAILED).update(
        status=Status.PENDING, attempts=0, seed=F("seed") + 1
    )
