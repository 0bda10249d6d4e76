"""Changing one's mind: a new revision of a ranking, and taking the last submit back."""

import uuid

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.judgment.fields import content_to_change
from annotation.judgment.judgment import Judgment
from annotation.models import Assignment, Demonstration, Draft, Project, PromptGroup, Ranking, User
from annotation.selectors.rankings import undoable_ranking
from annotation.selectors.stored_judgments import says_the_same, stored_judgment
from annotation.services.assignments import lock_user, stored_lease_end
from annotation.services.rankings import RankingRefused, store_ranking
from annotation.services.told import tell_of_undoing


@transaction.atomic
def revise_ranking(
    labeler: User, ranking_id: int, judgment: Judgment, *, key: uuid.UUID
) -> Ranking:
    """Stores a new revision of the labeler's own ranking; the old one is kept, not current.

    `key` is the idempotency key. Raises RankingRefused when the ranking was changed meanwhile.
    """
    own = Ranking.objects.filter(labeler=labeler)
    locked = own.select_for_update(of=("self",)).select_related("group")
    old = locked.filter(pk=ranking_id).first()
    stored = own.filter(idempotency_key=key).first()  # by another sending, which the lock let end
    is_undone = stored is not None and stored.undone_at is not None
    if stored is not None and not is_undone and says_the_same(stored, judgment):
        return stored
    if old is None or not old.is_current or stored is not None:
        raise RankingRefused(_("This ranking was changed meanwhile: open the newest one."))
    _retire(old)
    new = Ranking(
        group=old.group,
        labeler=labeler,
        shown_order=old.shown_order,
        seconds=old.seconds,
        idempotency_key=key,
    )
    store_ranking(new, judgment, project_id=old.group.project_id)
    _settle_answer(old)
    return new


def _retire(ranking: Ranking) -> None:
    """With the answer that was written beside it, which its next revision may bring again."""
    ranking.is_current = False
    ranking.save(update_fields=["is_current", "undone_at"])
    ranking.demonstrations.update(is_current=False)


def _settle_answer(ranking: Ranking) -> None:
    """After `ranking` ceased to be current: of what its labeler wrote to its prompt, the newest
    that still holds is current, written in the queue or beside a ranking that is current."""
    own = Demonstration.objects.filter(
        prompt__groups=ranking.group_id, author_id=ranking.labeler_id
    )
    holds = Q(ranking__isnull=True) | Q(ranking__is_current=True)
    newest = own.filter(holds).order_by("-revision").values_list("pk", flat=True).first()
    own.filter(is_current=True).exclude(pk=newest or 0).update(is_current=False)
    own.filter(pk=newest or 0).update(is_current=True)


@transaction.atomic
def undo_last(project: Project, labeler: User, key: uuid.UUID | None = None) -> Ranking | None:
    """Takes the last submit back; the row is kept, marked as undone.

    With a `key`, the submit's, only that one: pressed twice, the button undoes one. Returns the
    revision before it, which holds again; None: there is none, and the group is in work again.
    Raises RankingRefused after ten minutes and when the group was withdrawn.
    """
    lock_user(labeler)
    own = Ranking.objects.filter(labeler=labeler)
    undone = own.filter(idempotency_key=key, undone_at__isnull=False).first() if key else None
    if undone is not None:
        return own.filter(group_id=undone.group_id, is_current=True).first()
    ranking = undoable_ranking(project, labeler)
    if ranking is None or (key is not None and ranking.idempotency_key != key):
        raise RankingRefused(_("There is nothing to undo: a submit can be undone for ten minutes."))
    if ranking.group.status == PromptGroup.Status.WITHDRAWN:
        raise RankingRefused(_("The group was withdrawn meanwhile, so nobody ranks it any more."))
    ranking.undone_at = timezone.now()
    _retire(ranking)
    earlier = Ranking.objects.filter(
        group_id=ranking.group_id, labeler=labeler, undone_at__isnull=True
    )
    before = earlier.order_by("-revision").first()
    if before is not None:
        before.is_current = True
        before.save(update_fields=["is_current"])
    _settle_answer(ranking)
    tell_of_undoing(ranking)
    if before is not None:
        return before
    now, token = timezone.now(), uuid.uuid4()
    Assignment.objects.filter(group_id=ranking.group_id, labeler=labeler, is_done=True).update(
        is_done=False,
        token=token,
        leased_at=now,
        expires_at=stored_lease_end(project),
    )
    Draft.objects.update_or_create(
        group_id=ranking.group_id,
        labeler=labeler,
        defaults={
            "token": token,
            "shown_order": ranking.shown_order,
            "content": content_to_change(
                stored_judgment(ranking), ranking.shown_order, project.asked
            ),
        },
    )
    return None
