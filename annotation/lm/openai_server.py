"""A server that speaks OpenAI's protocol, such as vLLM."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any
from urllib.parse import urlsplit

from annotation.exchange.wording import Unreadable, gettext_noop

LARGEST_REPLY = 4_000_000  # bytes
PIECE = 1 << 16
LONGEST_REASON = 200  # characters


class ServerUnavailable(Unreadable):
    """A server that cannot be used; one sentence says why."""


BAD_ADDRESS = gettext_noop("The model server's address is {url}; give http://HOST.")
TOO_SLOW = gettext_noop("The model server at {url} did not answer within {seconds} seconds.")
TOO_LARGE = gettext_noop("The model server at {url} sent more than {megabytes} MB.")
NOT_REACHED = gettext_noop("The model server at {url} cannot be reached: {reason}.")
REFUSED = gettext_noop("The model server at {url} refused {path} with status {status}: {reason}")


class OpenAIServer:
    """The server at `url`, "http://host:8000" or "http://host:8000/v1".

    Everything here raises ServerUnavailable when the server fails, and no sentence holds the key.
    """

    def __init__(self, url: str, model: str, timeout: float = 120.0, key: str = "") -> None:
        """`timeout` is in seconds: so long may one request be silent, and its reply take."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise ServerUnavailable(BAD_ADDRESS, url=url) from error
        if parts.scheme not in ("http", "https") or not host:
            raise ServerUnavailable(BAD_ADDRESS, url=url)
        self.url, self.model, self.timeout, self._key = url, model, timeout, key
        self._connection = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._host, self._port = host, port
        self._path = parts.path.rstrip("/").removesuffix("/v1") + "/v1"

    def post(self, path: str, values: dict[str, Any]) -> str:
        """The reply's body."""
        connection = self._connection(self._host, self._port, timeout=self.timeout)
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        try:
            connection.request("POST", self._path + path, json.dumps(values), headers)
            response = connection.getresponse()
            body = self._body(response)
        except TimeoutError as error:
            raise self.unavailable(TOO_SLOW, seconds=f"{self.timeout:g}") from error
        except (OSError, http.client.HTTPException) as error:
            raise self.unavailable(NOT_REACHED, reason=self._plain(str(error))) from error
        finally:
            connection.close()
        if response.status != 200:
            reason = self._plain(_reason(body))
            raise self.unavailable(REFUSED, path=path, status=response.status, reason=reason)
        return body

    def unavailable(self, template: str, **values: int | str) -> ServerUnavailable:
        return ServerUnavailable(template, url=self.url, **values)

    def _body(self, response: http.client.HTTPResponse) -> str:
        """In pieces, since a socket's own timeout is of each; raises TimeoutError."""
        deadline, body = time.monotonic() + self.timeout, bytearray()
        while piece := response.read1(PIECE):
            body += piece
            if len(body) > LARGEST_REPLY:
                raise self.unavailable(TOO_LARGE, megabytes=LARGEST_REPLY // 1_000_000)
            if time.monotonic() > deadline:
                raise TimeoutError
        return body.decode(errors="replace")

    def _plain(self, reason: str) -> str:
        """Short, without the key, and nothing in it that cannot be stored."""
        if self._key:
            reason = reason.replace(self._key, "…")
        return reason.replace("\0", "").encode(errors="replace").decode()[:LONGEST_REASON]


def _reason(body: str) -> str:
    """The message of an error as OpenAI's servers and vLLM word it, else the body."""
    try:
        content = json.loads(body)
        content = content.get("error", content)
        return str(content["message"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return body
