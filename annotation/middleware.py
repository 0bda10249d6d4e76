"""What holds for every page."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import add_never_cache_headers

from config import limits

View = Callable[..., HttpResponse]


class Middleware:
    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)


class NoStoreMiddleware(Middleware):
    """What somebody saw who was logged in stays in no cache, their browser's included."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.user.is_authenticated:
            add_never_cache_headers(response)
        return response


class OneTimePasswordMiddleware(Middleware):
    """Who logged in with a password that somebody else made chooses one, then goes on."""

    OPEN = ("password", "logout")

    def process_view(
        self, request: HttpRequest, view: View, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        is_open = not getattr(view, "login_required", True)
        match = request.resolver_match
        if is_open or (match and match.url_name in self.OPEN):
            return None
        must = getattr(request.user, "must_change_password", False)
        return redirect("password") if must else None


class BodyLimitMiddleware(Middleware):
    """Refuses a body that is too large for its page, before any of it is read.

    It stands after the login, which refuses strangers, and before the check for forgery, which is
    the first to read.
    """

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
