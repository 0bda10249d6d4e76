"""Times and days in the zone of whoever looks at a page."""

from collections.abc import Callable
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

COOKIE = "timezone"


class ViewerZone:
    """Middleware: times.js says the browser's zone in a cookie; without it TIME_ZONE counts."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with timezone.override(_zone_named(request.COOKIES.get(COOKIE, ""))):
            return self.get_response(request)


def _zone_named(name: str) -> ZoneInfo | None:
    return ZoneInfo(name) if name in _names() else None


@cache
def _names() -> set[str]:
    return available_timezones()
