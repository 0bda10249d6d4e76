"""What is wrong with a request, as a problem document (RFC 9457)."""

from collections.abc import Mapping
from typing import Any

from django.http import JsonResponse

CONTENT_TYPE = "application/problem+json"


class Problem(Exception):
    """`headers` go with the document; `more` stands in it."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail = status, title, detail
        self.headers, self.more = headers, more


def problem_response(problem: Problem) -> JsonResponse:
    content = {
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        **problem.more,
    }
    return JsonResponse(
        content, status=problem.status, content_type=CONTENT_TYPE, headers=problem.headers
    )
