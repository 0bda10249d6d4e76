"""A request that a program sends again, as it got no answer, is done once and answered the same."""

import hashlib
from datetime import timedelta

from django.utils import timezone

from annotation.models import ApiToken, IdempotentRequest

KEPT = timedelta(days=1)
ABANDONED = timedelta(minutes=2)
"""Whoever worked on a request that long without an answer is dead."""


class AnotherRequest(Exception):
    """The key came with another request before."""


class UnderWay(Exception):
    """The same request is being worked on."""


def begin_request(token: ApiToken, key: str, *parts: bytes) -> IdempotentRequest:
    """The request that has this key: with the stored answer, or to be worked on now.

    `parts` are what makes it the same one. Raises AnotherRequest, UnderWay.
    """
    now, digest = timezone.now(), hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8) + part)
    sha256 = digest.hexdigest()
    own = IdempotentRequest.objects.filter(token=token, key=key)
    own.filter(created_at__lt=now - KEPT).delete()
    found, is_new = IdempotentRequest.objects.get_or_create(
        token=token, key=key, defaults={"sha256": sha256, "created_at": now}
    )
    if found.sha256 != sha256:
        raise AnotherRequest
    if not is_new and found.status is None:
        dead = own.filter(status=None, created_at__lt=now - ABANDONED)
        if not dead.update(created_at=now):
            raise UnderWay
    return found


def keep_answer(request: IdempotentRequest, status: int, content: bytes) -> None:
    """One that did something is answered the same for a day; one that did nothing may come again
    under its key."""
    if 200 <= status < 300:
        own = IdempotentRequest.objects.filter(pk=request.pk)  # gone where its token was deleted
        own.update(status=status, content=content.decode())
    else:
        request.delete()


def delete_old_requests() -> None:
    IdempotentRequest.objects.filter(created_at__lt=timezone.now() - KEPT).delete()
