"""Requests that people make this machine send: only to where anybody could send them.

The address is looked up once and connected to as it was checked, so that a name which changes its
mind in between reaches nothing else. No redirect is followed, no proxy asked, and of the answer
only the beginning is read.
"""

import http.client
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.utils.translation import gettext_noop

SECONDS = 5.0  # for the connection, and for each part of the answer
KEPT = 500  # bytes of the answer
PORTS = {"http": 80, "https": 443}
MISLEADING = tuple(
    ip_network(network)
    for network in (
        "::/96",  # IPv4 in IPv6, RFC 4291
        "::ffff:0:0:0/96",  # IPv4 translated, RFC 2765
        "64:ff9b::/96",  # NAT64, RFC 6052
        "64:ff9b:1::/48",  # NAT64 of a network's own, RFC 8215
        "2001::/32",  # Teredo, RFC 4380
        "2002::/16",  # 6to4, RFC 3056
        "192.88.99.0/24",  # its relays, RFC 7526
        "fec0::/10",  # site-local, RFC 3879
        "5f00::/16",  # segment routing, RFC 9602
    )
)
"""Networks that lead to an IPv4 address within the address, or stay within a site, and yet count as
public."""

PRIVATE = gettext_noop(
    "The address leads into a private network: it has to be public, or in WEBHOOK_NETWORKS."
)
UNKNOWN = gettext_noop("There is no machine of this name.")
SILENT = gettext_noop("There was no answer within five seconds.")
UNREACHABLE = gettext_noop("No connection could be made, or it broke.")
UNTRUSTED = gettext_noop("The certificate is not valid for this name.")
UNUSABLE = gettext_noop(
    "An address is like https://example.org/path, without a name or password before the machine's."
)


class NotSent(Exception):
    """The template of a sentence that says why there was no answer."""


@dataclass(frozen=True)
class HttpAnswer:
    status: int
    beginning: str


def checked_address(url: str) -> SplitResult:
    """Raises NotSent for one that could not be sent to wherever it leads."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme)
    except ValueError as error:
        raise NotSent(UNUSABLE) from error
    is_plain = url.isascii() and url.isprintable() and " " not in url
    if port is None or not parts.hostname or parts.username is not None or not is_plain:
        raise NotSent(UNUSABLE)
    try:
        literal = ip_address(parts.hostname)
    except ValueError:
        return parts
    if not may_be_reached(literal):
        raise NotSent(PRIVATE)
    return parts


def post(url: str, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
    """Sends the body; raises NotSent where no answer came."""
    parts = checked_address(url)
    port = parts.port or PORTS[parts.scheme]
    host = str(parts.hostname)
    connection = _Connection(host, port, _reachable(host, port), parts.scheme == "https")
    path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    try:
        connection.request("POST", path, body, dict(headers))
        response = connection.getresponse()
        return HttpAnswer(response.status, response.read(KEPT).decode(errors="replace"))
    except TimeoutError as error:
        raise NotSent(SILENT) from error
    except ssl.SSLCertVerificationError as error:
        raise NotSent(UNTRUSTED) from error
    except (OSError, http.client.HTTPException) as error:
        raise NotSent(UNREACHABLE) from error
    finally:
        connection.close()


def may_be_reached(address: IPv4Address | IPv6Address) -> bool:
    """Whether it is public, or the installation allows its network."""
    inner = getattr(address, "ipv4_mapped", None) or address
    if any(inner in network for network in settings.WEBHOOK_NETWORKS):
        return True
    is_misleading = any(inner in network for network in MISLEADING)
    return inner.is_global and not inner.is_multicast and not is_misleading


def _reachable(host: str, port: int) -> str:
    """An address of the machine, if all of its addresses may be reached. Raises NotSent."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotSent(UNKNOWN) from error
    addresses = [str(each[4][0]) for each in found]
    if not all(may_be_reached(ip_address(address.partition("%")[0])) for address in addresses):
        raise NotSent(PRIVATE)
    return addresses[0]


class _Connection(http.client.HTTPConnection):
    """To an address that was looked up and checked before, in the name of its host."""

    def __init__(self, host: str, port: int, address: str, is_secure: bool) -> None:
        super().__init__(host, port, timeout=SECONDS)
        self.default_port = PORTS["https" if is_secure else "http"]  # named in no Host header
        self._address, self._is_secure = address, is_secure

    def connect(self) -> None:
        plain: Any = socket.create_connection((self._address, self.port), SECONDS)
        if self._is_secure:
            context = ssl.create_default_context()
            plain = context.wrap_socket(plain, server_hostname=self.host)
        self.sock = plain
