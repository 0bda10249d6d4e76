"""Tokens for programs: made, shown once, found again by their hash, revoked."""

import hashlib
import secrets
from datetime import timedelta

from django.utils import timezone

from annotation.models import ApiToken, Project, User

PREFIX = "laoshi_"
USED_EVERY = timedelta(minutes=1)  # how exactly it is known when one was used last


def make_token(
    user: User, *, name: str, scope: str, days: int, project: Project | None = None
) -> tuple[ApiToken, str]:
    """The token, and its secret, which nobody can read again."""
    secret = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        user=user,
        project=project,
        name=name,
        scope=scope,
        sha256=_hash(secret),
        expires_at=timezone.now() + timedelta(days=days),
    )
    return token, secret


def use_token(secret: str) -> ApiToken | None:
    """The token with this secret, of somebody who may still log in; None: none that is valid."""
    now = timezone.now()
    valid = ApiToken.objects.filter(
        sha256=_hash(secret), expires_at__gt=now, user__is_active=True
    ).select_related("user", "project")
    token = valid.first()
    if token and (token.last_used_at is None or token.last_used_at < now - USED_EVERY):
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
