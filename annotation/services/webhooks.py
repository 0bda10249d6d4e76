"""Webhooks: made, changed, and told of what happens.

What is to be sent is a row, written in the transaction of what it tells of: told of is what was
stored, and all of it.
"""

import base64
import secrets
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from annotation.exchange.jsonl import canonical
from annotation.models import Delivery, Project, User, Webhook
from annotation.selectors.webhooks import due_deliveries
from annotation.services.calling import call_after_commit
from config.celery import app

BOTH_FOR = timedelta(hours=24)
PREFIX = "whsec_"  # Standard Webhooks


def make_webhook(project: Project, by: User, url: str, events: Collection[str]) -> Webhook:
    """With a new secret, which is to be shown now and never again."""
    return Webhook.objects.create(
        project=project, made_by=by, url=url, events=list(events), secret=_new_secret()
    )


def _new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


@transaction.atomic
def renew_secret(webhook: Webhook) -> str:
    """The new one, to be shown now and never again; with the one before, all is signed for a day
    more. Renewed again within it, that one stays, which the receiver knows, and the one between
    ends at once."""
    held = Webhook.objects.select_for_update(no_key=True).get(pk=webhook.pk)
    if not held.signs_with_both:
        held.former_secret, held.former_until = held.secret, timezone.now() + BOTH_FOR
    held.secret = _new_secret()
    held.save(update_fields=["secret", "former_secret", "former_until"])
    return held.secret


def change_webhook(webhook: Webhook, url: str, events: Collection[str], *, is_active: bool) -> None:
    """What waits is sent at once to an address that was mended."""
    webhook.url, webhook.events, webhook.is_active = url, list(events), is_active
    webhook.failures, webhook.rests_until = 0, None
    fields = ["url", "events", "is_active", "failures", "rests_until"]
    webhook.save(update_fields=fields)


def delete_webhook(webhook: Webhook) -> None:
    """With its log."""
    webhook.delete()


def tell(
    project_id: int, event: Webhook.Event, content: Callable[[Webhook], Mapping[str, Any]]
) -> None:
    """Writes down what the project's webhooks for this event are to be sent; within the
    transaction of what happened. `content` is asked only where there are any."""
    webhooks = Webhook.objects.filter(project=project_id, is_active=True)
    wanted = [webhook for webhook in webhooks if event in webhook.events]
    Delivery.objects.bulk_create(_delivery(each, event, content(each)) for each in wanted)
    if wanted:
        call_after_commit(call_worker)


@transaction.atomic
def send_test(webhook: Webhook) -> Delivery:
    """An event by which one sees whether it arrives."""
    delivery = _delivery(webhook, Webhook.TEST, {"project": webhook.project.slug})
    delivery.save()
    _at_once(webhook)
    return delivery


@transaction.atomic
def send_again(delivery: Delivery) -> None:
    """From the first attempt on, under the same number, by which a receiver knows it."""
    Delivery.objects.filter(pk=delivery.pk).exclude(status=Delivery.Status.WAITING).update(
        status=Delivery.Status.WAITING, attempts=0, claim=None
    )
    Delivery.objects.filter(pk=delivery.pk).update(due_at=timezone.now())
    _at_once(delivery.webhook)


def call_worker() -> None:
    app.send_task("annotation.tasks.deliver_webhooks")


def call_worker_for_due_deliveries() -> None:
    """For those whose pause is over, or whose message was lost."""
    if due_deliveries().exists():
        call_worker()


def _at_once(webhook: Webhook) -> None:
    Webhook.objects.filter(pk=webhook.pk).update(failures=0, rests_until=None)
    call_after_commit(call_worker)


def _delivery(webhook: Webhook, event: str, content: Mapping[str, Any]) -> Delivery:
    """As Standard Webhooks spells a body."""
    now = timezone.now()
    body = canonical({"type": event, "timestamp": now.isoformat(), "data": dict(content)})
    return Delivery(webhook=webhook, event=event, body=body)
