"""A client of the web server and what is here of its request: nothing in it waits for long."""

import re
import socket
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any

from gunicorn.workers.gthread import TConn

from config import limits

HEAD_END = b"\r\n\r\n"
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,15})[ \t]*\r\n", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
EXPECTS_CONTINUE = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*(?=\r\n)", re.IGNORECASE)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class HeadTooLargeError(Exception):
    """A request whose head has more than `limits.HEAD` bytes."""


class Client(socket.socket):
    """A client's socket, on which a thread waits for so long and no longer."""

    upload_until = 0.0
    moved_at = 0.0

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(fileno=sock.detach())
        self.unsent = bytearray()

    def setblocking(self, flag: bool) -> None:
        self.settimeout(limits.SEND_SECONDS if flag else 0)

    def receive_now(self) -> bytes:
        """What is here, nothing at the end. Raises BlockingIOError when nothing is here yet."""
        return super().recv(limits.BODY_BEFORE_LOGIN)

    def recv(self, size: int, flags: int = 0) -> bytes:
        self.settimeout(max(self.upload_until - monotonic(), 0.001))
        data = super().recv(size, flags)
        self.moved_at = monotonic()
        return data

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Sends it, or keeps for the loop what the client does not take at once; only where that
        becomes much does the thread wait. Raises TimeoutError."""
        self.settimeout(0)
        self.unsent += data
        self.send_unsent()
        if len(self.unsent) > limits.UNSENT:
            self.settimeout(limits.SEND_SECONDS)
            super().sendall(self.unsent)
            self.unsent.clear()
        self.moved_at = monotonic()

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        file.seek(offset)
        data = file.read(-1 if count is None else count)
        self.sendall(data)
        return len(data)

    def send_unsent(self) -> bool:
        """Whether nothing is left to send."""
        with suppress(BlockingIOError):
            del self.unsent[: super().send(self.unsent)]
        return not self.unsent


class Connection(TConn):  # type: ignore[misc]
    """`received` is what is here of the next request; `is_whole` says that this was all of it."""

    sock: Client

    def __init__(self, *given: Any, linger: Callable[["Connection"], None]) -> None:
        super().__init__(*given)
        self.linger = linger
        self.received = bytearray()
        self.is_whole = self.is_polled = False

    def close(self, graceful: bool = False) -> None:
        if graceful:
            self.linger(self)
        else:
            super().close()

    @property
    def is_closed(self) -> bool:
        """It may be, by an earlier event of those that the loop found together."""
        return self.sock.fileno() < 0

    def say(self, line: bytes) -> None:
        """To a client that listens, if it does: the loop waits for none."""
        with suppress(OSError):
            self.sock.send(line)

    def has_enough(self) -> bool:
        """Whether a thread can have the request. Raises HeadTooLargeError."""
        head = self.received.find(HEAD_END)
        if max(head, 0) > limits.HEAD or (head < 0 and len(self.received) > limits.HEAD):
            raise HeadTooLargeError
        if head < 0:
            return False
        lines = self.received[: head + 2]
        if expects := EXPECTS_CONTINUE.search(lines):
            self.say(CONTINUE)
            del self.received[expects.start() : expects.end()]
            return self.has_enough()
        found = CONTENT_LENGTH.search(lines)
        body = int(found[1]) if found else 0
        self.is_whole = body <= limits.BODY_BEFORE_LOGIN and not CHUNKED.search(lines)
        here = len(self.received) - head - len(HEAD_END)
        return here >= min(body, limits.BODY_BEFORE_LOGIN)
