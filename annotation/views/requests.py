"""The type of request that a view gets behind the login."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeVar
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.csrf import csrf_exempt
from django_htmx.middleware import HtmxDetails

from annotation.models import User
from config import limits

View = TypeVar("View", bound=Callable[..., HttpResponse])


class Request(HttpRequest):
    """Of a user who is logged in: LoginRequiredMiddleware lets nobody else through."""

    user: User
    htmx: HtmxDetails


def is_script(request: HttpRequest) -> bool:
    """Whether a page's script sent the form and wants to be told, not to be led on."""
    return request.headers.get("Accept") == "application/json"


def takes_upload(view: View) -> View:
    """For a view that checks who asks, then goes on in one under `csrf_protect`.

    Only so is nothing of a large body read for those who may not send it.
    """
    view.largest_body = limits.UPLOAD  # type: ignore[attr-defined]
    return csrf_exempt(view)


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


def client_network(request: HttpRequest) -> str:
    """Whose request it is: an IPv4 address, or the /64 network that an IPv6 customer has whole.

    X-Forwarded-For is believed as far as configured proxies wrote it, from its end.
    """
    address = _address(request.META.get("REMOTE_ADDR", ""))
    for text in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
        named = _address(text.strip())
        if named is None or address is None or not _is_proxy(address):
            break
        address = named
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return str(address)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _is_proxy(address: IPv4Address | IPv6Address) -> bool:
    return any(address in network for network in settings.TRUSTED_PROXIES)
