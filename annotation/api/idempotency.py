"""The header Idempotency-Key: what is sent twice is done once."""

from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse

from annotation.api.access import ROOT
from annotation.api.problems import Problem, problem_response
from annotation.middleware import Middleware
from annotation.services.idempotency import (
    ABANDONED,
    AnotherRequest,
    UnderWay,
    begin_request,
    keep_answer,
)

LONGEST_KEY = 255


class IdempotencyMiddleware(Middleware):
    """For POSTs below ROOT; it stands after what limits a body, which is read here."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        begun = getattr(request, "begun", None)
        if begun is not None:
            keep_answer(begun, response.status_code, response.content)
        return response

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        key = request.headers.get("Idempotency-Key")
        if key is None or request.method != "POST" or not request.path.startswith(ROOT):
            return None
        try:
            return self._answered(request, key)
        except Problem as problem:
            return problem_response(problem)

    def _answered(self, request: HttpRequest, key: str) -> HttpResponse | None:
        """The stored answer; None: there is none yet. Raises Problem."""
        if not key or len(key) > LONGEST_KEY or not (key.isascii() and key.isprintable()):
            detail = f"Idempotency-Key is 1 to {LONGEST_KEY} printable ASCII characters."
            raise Problem(422, "Not valid", detail)
        token: Any = getattr(request, "token")  # noqa: B009 (of TokenMiddleware)
        try:
            found = begin_request(token, key, request.get_full_path().encode(), *_sent(request))
        except AnotherRequest as problem:
            detail = "This Idempotency-Key came with another request: use a new one for each."
            raise Problem(422, "Not usable", detail) from problem
        except UnderWay as problem:
            seconds = str(int(ABANDONED.total_seconds()))
            detail = "A request with this Idempotency-Key is being worked on: try again later."
            raise Problem(409, "Not now", detail, headers={"Retry-After": seconds}) from problem
        if found.status is None:
            request.begun = found  # type: ignore[attr-defined]
            return None
        return HttpResponse(
            found.content,
            status=found.status,
            content_type="application/json",
            headers={"Idempotency-Replayed": "true"},
        )


def _sent(request: HttpRequest) -> Iterator[bytes]:
    """What was sent; of a form its fields and files, whatever stands between them."""
    if request.content_type != "multipart/form-data":
        yield request.body
        return
    for name, values in request.POST.lists():
        yield from (part.encode("utf-8", "replace") for part in (name, *map(str, values)))
    for name, file in request.FILES.items():
        yield name.encode("utf-8", "replace")
        yield file.read()  # type: ignore[union-attr]
        file.seek(0)  # type: ignore[union-attr]
