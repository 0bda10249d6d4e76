"""The type of request that a view gets behind the login."""

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from annotation.models import User


class Request(HttpRequest):
    """Of a user who is logged in: LoginRequiredMiddleware lets nobody else through."""

    user: User
    htmx: HtmxDetails


def is_script(request: Request) -> bool:
    """Whether a page's script sent the form and wants to be told, not to be led on."""
    return request.headers.get("Accept") == "application/json"


def posted_number(request: Request, name: str) -> int:
    """The primary key that a form sent; 0, which is nobody's, for anything else."""
    text = request.POST.get(name, "")
    return int(text[:18]) if text.isdecimal() else 0
