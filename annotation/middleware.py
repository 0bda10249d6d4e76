"""What holds for every page."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from config import limits

View = Callable[..., HttpResponse]


class BodyLimitMiddleware:
    """Refuses a body that is too large for its page, before any of it is read.

    It stands after the login, which refuses strangers, and before the check for forgery, which is
    the first to read.
    """

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: View, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        text = request.META.get("CONTENT_LENGTH") or ""
        length = int(text) if text.isdecimal() else 0
        if length <= limits.BODY_BEFORE_LOGIN:
            return None
        limit = getattr(view, "largest_body", limits.BODY)
        if not request.user.is_authenticated:
            limit = limits.BODY_BEFORE_LOGIN
        return render(request, "413.html", {"limit": limit}, status=413) if length > limit else None
