"""Who asks, and what they may: before anything of a request's body is read."""

import logging
import time
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from redis.exceptions import RedisError

from annotation.api.problems import CONTENT_TYPE, Problem, problem_response
from annotation.middleware import Middleware
from annotation.models import ApiToken, Project, User
from annotation.selectors.projects import is_admin, project_of
from annotation.services.tokens import use_token

KEPT = ("Allow", "Content-Range", "Retry-After")
logger = logging.getLogger(__name__)

ROOT = "/api/v1/"
DETAILS = {
    404: "There is nothing at this address.",
    405: "This address takes another method.",
    413: "This is more than the address takes: 1 MB, or a file of 32 MB where files are taken.",
    500: "A mistake in Laoshi: see the log of the web server.",
    507: "The server's disk is full: make room there, then send it again.",
}
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
            return problem_response(problem)
        request.user = token.user
        request.token = token  # type: ignore[attr-defined]
        return _as_problem(self.get_response(request))


def _as_problem(response: HttpResponse) -> HttpResponse:
    """What went wrong before or after the API had the request, as a problem as well."""
    if response.status_code < 400 or response.headers.get("Content-Type") == CONTENT_TYPE:
        return response
    kept = {name: response[name] for name in KEPT if name in response}
    detail = DETAILS.get(response.status_code, "See /api/docs/ for what the API offers.")
    problem = Problem(response.status_code, response.reason_phrase, detail, headers=kept)
    return problem_response(problem)


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
