"""What webhooks are sent: one at a time, signed, tried again with growing pauses."""

import logging
import uuid
from datetime import UTC, datetime, timedelta
from time import monotonic

from celery.exceptions import SoftTimeLimitExceeded
from django.db.models import F, QuerySet
from django.utils import timezone
from standardwebhooks.webhooks import Webhook as Signature

from annotation.models import Delivery, Webhook
from annotation.selectors.claims import CLAIM
from annotation.selectors.webhooks import PAUSES, due_deliveries
from annotation.services.outgoing import SILENT, HttpAnswer, NotSent, post

logger = logging.getLogger(__name__)

Status = Delivery.Status
TURN_SECONDS = 5.0  # then other short jobs get the worker
TOO_MANY, GONE = 429, 410
LONGEST_REST = 3  # among the pauses: half an hour
LOGGED = timedelta(days=30)


def deliver() -> bool:
    """Sends what is due, for a few seconds; whether there may be more."""
    until = monotonic() + TURN_SECONDS
    while monotonic() < until:
        delivery = _claim()
        if delivery is None:
            return False
        _attempt(delivery)
    return True


def delete_old_deliveries() -> None:
    """Those that ended long ago."""
    long_ago = timezone.now() - LOGGED
    Delivery.objects.filter(created_at__lt=long_ago).exclude(status=Status.WAITING).delete()


def _claim() -> Delivery | None:
    """The next one that no other worker takes at the same time."""
    for pk in due_deliveries().values_list("pk", flat=True)[:5]:
        claim = {"claim": uuid.uuid4(), "claimed_until": timezone.now() + CLAIM}
        if due_deliveries().filter(pk=pk).update(**claim):
            return Delivery.objects.select_related("webhook").get(pk=pk)
    return None


def _attempt(delivery: Delivery) -> None:
    try:
        answer = _send(delivery)
    except NotSent as problem:
        _failed(delivery, None, str(problem))
    except SoftTimeLimitExceeded:  # the answer came, drop by drop
        _failed(delivery, None, SILENT)
        raise
    else:
        if 200 <= answer.status < 300:
            _taken(delivery, answer)
        else:
            _failed(delivery, answer)


def _send(delivery: Delivery) -> HttpAnswer:
    """Raises NotSent."""
    now = datetime.now(UTC)
    signed = (
        Signature(secret).sign(delivery.message_id, now, delivery.body)
        for secret in delivery.webhook.secrets
    )
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Laoshi",
        "webhook-id": delivery.message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signed),
    }
    return post(delivery.webhook.url, delivery.body.encode(), headers)


def _held(delivery: Delivery) -> QuerySet[Delivery]:
    return Delivery.objects.filter(pk=delivery.pk, claim=delivery.claim)


def _taken(delivery: Delivery, answer: HttpAnswer) -> None:
    _held(delivery).update(
        status=Status.DELIVERED,
        attempts=F("attempts") + 1,
        tried_at=timezone.now(),
        answer_status=answer.status,
        answer=_stored(answer),
        problem="",
        claim=None,
    )
    if delivery.webhook.failures:
        Webhook.objects.filter(pk=delivery.webhook_id).update(failures=0, rests_until=None)


def _failed(delivery: Delivery, answer: HttpAnswer | None, problem: str = "") -> None:
    """It is tried again after a pause; where the machine is at fault, so is all that waits for it.

    A receiver that says that it is gone for good is sent no more.
    """
    now, attempts = timezone.now(), delivery.attempts + 1
    is_last = attempts > len(PAUSES)
    _held(delivery).update(
        status=Status.FAILED if is_last else Status.WAITING,
        attempts=attempts,
        due_at=now if is_last else now + PAUSES[attempts - 1],
        tried_at=now,
        answer_status=answer and answer.status,
        answer=_stored(answer) if answer else "",
        problem=problem,
        claim=None,
    )
    webhook = Webhook.objects.filter(pk=delivery.webhook_id)
    if answer and answer.status == GONE:
        webhook.update(is_active=False)
    elif answer is None or answer.status >= 500 or answer.status == TOO_MANY:
        pause = PAUSES[min(delivery.webhook.failures, LONGEST_REST)]
        webhook.update(failures=F("failures") + 1, rests_until=now + pause)
    logger.info("Delivery %s: %s", delivery.pk, answer.status if answer else problem)


def _stored(answer: HttpAnswer) -> str:
    return answer.beginning.replace("\0", "")
