"""The type of request that a view gets behind the login."""

from urllib.parse import urlsplit

from django.http import HttpRequest
from django.shortcuts import resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.middleware import HtmxDetails

from annotation.models import User


class Request(HttpRequest):
    """Of a user who is logged in: LoginRequiredMiddleware lets nobody else through."""

    user: User
    htmx: HtmxDetails


def is_script(request: HttpRequest) -> bool:
    """Whether a page's script sent the form and wants to be told, not to be led on."""
    return request.headers.get("Accept") == "application/json"


def posted_number(request: Request, name: str) -> int:
    """The primary key that a form sent; 0, which is nobody's, for anything else."""
    text = request.POST.get(name, "")
    return int(text[:18]) if text.isdecimal() else 0


def on_this_site(request: HttpRequest, address: str) -> str:
    """Path and query of an address of this site; of any other address, those of the home page."""
    hosts = {request.get_host()}
    if not url_has_allowed_host_and_scheme(address, hosts, require_https=request.is_secure()):
        return resolve_url("home")
    return urlsplit(address)._replace(scheme="", netloc="", fragment="").geturl()
