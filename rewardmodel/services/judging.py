"""A judge model beside people: asked for, at work a turn at a time, cancelled, gone on with."""

import uuid
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from annotation.models import Comparison, PromptGroup, User
from annotation.selectors.claims import CLAIM
from annotation.services.calling import call_after_commit
from annotation.services.comparisons import ask_both
from annotation.services.generation import MESSAGE_LIFE, RENEW_EVERY, call_worker
from annotation.services.repeated import repeated
from config.celery import app
from rewardmodel.models import JudgedPair, Judging, RewardModelVersion
from rewardmodel.selectors.judging import (
    is_done,
    is_free,
    prompts_to_judge,
    unjudged_pairs,
)
from rewardmodel.services.judges import JudgeFailed, Verdict, by_reward_model, by_server

MOST_PAIRS = 2000
TURN = 8  # pairs judged before others get their turn
REST = timedelta(seconds=60)  # after a failure
MISTAKE = gettext_noop("A mistake in Laoshi kept it from judging: see the worker's log.")
UNREAD = gettext_noop(
    "{model} gave no verdict on any of {pairs} pairs: it must end a reply with 'Verdict: FIRST', "
    "'Verdict: SECOND' or 'Verdict: TIE'."
)
UNTROUBLED: dict[str, Any] = {"failures": 0, "reason": "", "reason_values": {}}
Status = Judging.Status


class JudgingRefused(Exception):
    """The sentence says why."""


def start_judging(
    comparison: Comparison,
    reward_model: RewardModelVersion | None,
    more: int,
    by: User | None = None,
) -> Judging:
    """Asks the reward model, or without one the judge server, for a word on all pairs of the
    comparison, and on so many more, as far as there are prompts. Raises JudgingRefused."""
    try:
        with transaction.atomic():
            judging = Judging.objects.create(
                comparison=comparison,
                reward_model=reward_model,
                model="" if reward_model else settings.JUDGE_MODEL,
                more=more,
                started_by=by,
            )
            left = more - _ask_again(comparison, more)
            ask_both(comparison, prompts_to_judge(comparison)[:left], is_for_judge=True)
            if is_done(judging):
                raise JudgingRefused(_("There is no pair to judge: add held-out prompts."))
            call_after_commit(call_judge, judging)
    except IntegrityError as problem:
        raise JudgingRefused(_("A judge model is at work on this comparison.")) from problem
    return judging


@transaction.atomic
def cancel_judging(judging: Judging) -> None:
    """What it has judged stays; what it alone waited for is not answered any more."""
    _end(judging, Status.CANCELLED)


def resume_judging(judging: Judging) -> None:
    """Goes on where it was cancelled, or failed. Raises JudgingRefused."""
    ended = Judging.objects.filter(pk=judging.pk, status__in=(Status.CANCELLED, Status.FAILED))
    again = {"status": Status.RUNNING, "finished_at": None, **UNTROUBLED}
    try:
        with transaction.atomic():
            if ended.update(**again, claimed_until=None):
                _ask_again(judging.comparison)
                call_after_commit(call_judge, judging)
    except IntegrityError as problem:
        raise JudgingRefused(_("A judge model is at work on this comparison.")) from problem


def _ask_again(comparison: Comparison, most: int | None = None) -> int:
    """For what only a judge waited for when one was cancelled, or for `most` of it; how many pairs
    that is."""
    given_up = (PromptGroup.Status.WITHDRAWN, PromptGroup.Status.FAILED)
    groups = comparison.groups.filter(is_for_judge=True, status__in=given_up)
    chosen = groups.filter(prompt__is_withdrawn=False).order_by("id")[:most]
    found = PromptGroup.objects.filter(pk__in=[group.pk for group in chosen]).update(
        status=PromptGroup.Status.PENDING, attempts=0
    )
    if found:
        call_after_commit(call_worker, comparison.project_id)
    return found


def call_judge(judging: Judging) -> None:
    """A reward model reads on the accelerator; a server is waited for by a worker that has time."""
    queue = "accelerator" if judging.reward_model_id else "default"
    task = "rewardmodel.tasks.judge_pairs"
    app.send_task(task, (judging.pk,), queue=queue, expires=MESSAGE_LIFE)


def judge_next_pairs(judging_id: int) -> Judging | None:
    """One turn; the judging where there is more to do at once."""
    judging = _claim(judging_id)
    if judging is None:
        return None
    pairs = list(unjudged_pairs(judging)[:TURN])
    with repeated(partial(_renew, judging), RENEW_EVERY, judging):
        try:
            _judge(judging, pairs)
        except JudgeFailed as problem:
            _rest(judging, problem)
            return None
        except Exception:
            _rest(judging, JudgeFailed(MISTAKE))
            raise
    return _release(judging)


def _judge(judging: Judging, pairs: Sequence[PromptGroup]) -> None:
    """Stores each verdict as it comes, up to the turn's end or that of the claim.

    Those that could not be read come last: where there are no others the judge has failed, unless
    it was a last few pairs. Raises JudgeFailed.
    """
    unread = []
    for pair, verdict in zip(pairs, _verdicts(judging, pairs), strict=True):
        if verdict.heard == JudgedPair.UNREAD:
            unread.append((pair, verdict))
        elif not _store(judging, pair, verdict):
            return
    is_telling = len(pairs) == TURN or not judging.pairs.exists()
    if unread and len(unread) == len(pairs) and is_telling:
        raise JudgeFailed(UNREAD, model=judging.model, pairs=len(pairs))
    for pair, verdict in unread:
        _store(judging, pair, verdict)


def _verdicts(judging: Judging, pairs: Sequence[PromptGroup]) -> Iterator[Verdict]:
    if not pairs:  # all wait for answers: no model is loaded for that
        return iter(())
    if judging.reward_model is None:
        return by_server(judging.model, pairs)
    return by_reward_model(judging.reward_model, pairs)


@transaction.atomic
def _claim(judging_id: int) -> Judging | None:
    """None where it has ended, rests, or another worker is at it; or, for the judge server, at
    another one: other short jobs are to find a worker."""
    now = timezone.now()
    found = Judging.objects.select_related("comparison", "reward_model")
    judging = found.filter(pk=judging_id).first()
    if judging is None:  # gone with its project
        return None
    if judging.reward_model is None:
        running = Judging.objects.filter(status=Status.RUNNING, reward_model=None)
        locked = running.select_for_update(no_key=True).order_by("id")
        if any(each.claimed_until > now for each in locked if each.claim and each.claimed_until):
            return None
    claim = uuid.uuid4()
    free = Judging.objects.filter(is_free(), pk=judging_id)
    if not free.update(claim=claim, claimed_until=now + CLAIM):
        return None
    judging.claim = claim
    return judging


def _held(judging: Judging) -> QuerySet[Judging]:
    """The judging as long as this worker's claim holds and nobody has cancelled it."""
    return Judging.objects.filter(pk=judging.pk, claim=judging.claim, status=Status.RUNNING)


def _renew(judging: Judging) -> None:
    _held(judging).update(claimed_until=timezone.now() + CLAIM)


def _store(judging: Judging, group: PromptGroup, verdict: Verdict) -> bool:
    """False when the claim was lost."""
    if not _held(judging).exists():
        return False
    pair = JudgedPair(
        judging=judging, group=group, preference=verdict.preference, heard=verdict.heard
    )
    JudgedPair.objects.bulk_create([pair], ignore_conflicts=True)
    return True


@transaction.atomic
def _release(judging: Judging) -> Judging | None:
    if not _held(judging).update(claim=None, claimed_until=None, **UNTROUBLED):
        return None
    if is_done(judging):
        _end(judging, Status.DONE)
    return judging if unjudged_pairs(judging).exists() else None


@transaction.atomic
def _rest(judging: Judging, problem: JudgeFailed) -> None:
    """Tried again in a while, and given up after several times in a row."""
    until = timezone.now() + REST
    said = {"reason": problem.template, "reason_values": problem.values}
    rests = {"claim": None, "claimed_until": until, "failures": F("failures") + 1}
    if _held(judging).update(**rests, **said):
        judging.refresh_from_db(fields=["failures"])
        if judging.failures >= Judging.MAX_FAILURES:
            _end(judging, Status.FAILED)


def _end(judging: Judging, status: Judging.Status) -> None:
    running = Judging.objects.filter(pk=judging.pk, status=Status.RUNNING)
    if running.update(status=status, claim=None, claimed_until=None, finished_at=timezone.now()):
        waiting = (PromptGroup.Status.PENDING, PromptGroup.Status.GENERATING)
        unanswered = judging.comparison.groups.filter(is_for_judge=True, status__in=waiting)
        unanswered.update(status=PromptGroup.Status.WITHDRAWN, claim=None, claimed_until=None)
