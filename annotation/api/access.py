"""Who asks, and what they may: before anything of a request's body is read."""

import logging
import time
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from redis.exceptions import RedisError

from annotation.api.problems import Problem, problem_response
from annotation.middleware import Middleware
from annotation.models import ApiToken, Project, User
from annotation.selectors.projects import is_admin, project_of
from annotation.services.tokens import use_token

logger = logging.getLogger(__name__)

ROOT = "/api/v1/"
A_MINUTE = 600  # requests of one token


class ApiRequest(HttpRequest):
    """Of a program with a valid token."""

    user: User
    token: ApiToken


class TokenMiddleware(Middleware):
    """Below ROOT a token is asked for and nothing else counts, no cookie either."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(ROOT):
            return self.get_response(request)
        try:
            token = _token_of(request)
            _count(token)
        except Problem as problem:
            response = problem_response(problem)
            for name, value in problem.more.get("headers", {}).items():
                response[name] = value
            return response
        request.user = token.user
        request.token = token  # type: ignore[attr-defined]
        return self.get_response(request)


def _token_of(request: HttpRequest) -> ApiToken:
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    token = use_token(secret) if kind.lower() == "bearer" else None
    if token is None:
        raise Problem(
            401,
            "No valid token",
            "Send a token that is neither revoked nor expired: Authorization: Bearer laoshi_...",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return token


def _count(token: ApiToken) -> None:
    """Raises Problem for more than A_MINUTE requests within a minute of the clock.

    While Redis is away nothing is counted: a request costs the database what a page does.
    """
    now = int(time.time())
    key = f"api:{token.pk}:{now // 60}"
    try:
        cache.add(key, 0, timeout=120)
        sent = cache.incr(key)
    except (RedisError, ValueError) as problem:  # ValueError: it went between the two
        logger.warning("Requests are not counted: %s", problem)
        return
    if sent > A_MINUTE:
        left = 60 - now % 60
        raise Problem(
            429,
            "Too many requests",
            f"A token may send {A_MINUTE} requests a minute; try again in {left} seconds.",
            headers={"Retry-After": str(left)},
        )


def project_for(request: Any, slug: str, *, to_write: bool = False) -> Project:
    """The project, for a token of one of its admins; what is not theirs is not found."""
    token: ApiToken = request.token
    project = project_of(token.user, slug)
    is_other = token.project_id is not None and (not project or token.project_id != project.pk)
    if project is None or is_other or not is_admin(token.user, project):
        raise Problem(404, "Not found", f"There is no project {slug!r} for this token.")
    if to_write and token.scope != ApiToken.Scope.WRITE:
        raise Problem(403, "Not allowed", "This token may only read: make one that may write.")
    if to_write and project.archived_at is not None:
        raise Problem(409, "Archived", f"The project {slug!r} is archived: put it back first.")
    return project
