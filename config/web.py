"""The web server: gunicorn's threads behind a loop that deals with slow clients itself.

A thread gets a request when its head and the first bytes of its body are here, so that half-sent
requests cost memory only. A worker whose application does not return is replaced.
"""

import os
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from selectors import EVENT_READ, EVENT_WRITE
from time import monotonic
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from config import limits
from config.connections import Client, Connection, HeadTooLargeError

HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n"


class Worker(ThreadWorker):  # type: ignore[misc]
    """`waiting` holds the connections that have a request or an answer half done, and until when
    they may; `lingering` those that are answered for good."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.waiting: dict[Connection, float] = {}
        self.lingering: dict[Connection, float] = {}
        self.at_work: dict[int, Client] = {}
        self.hangs = False

    def accept(self, listener: Any) -> None:
        if self.is_stuck():
            return
        try:
            sock, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        if self.nr_conns + 1 >= self.worker_connections:
            self.make_room()
        self.nr_conns += 1
        here = listener.getsockname()
        conn = Connection(self.cfg, Client(sock), address, here, linger=self.linger)
        self.enqueue_req(conn)

    def make_room(self) -> None:
        """Close the connection that has been idle, or else half done, for longest."""
        if self.keepalived_conns:
            self.keepalived_conns[0].timeout = 0.0
            self.murder_keepalived()
        elif self.waiting:
            self.drop(next(iter(self.waiting)))

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        if self.alive:
            self.set_accept_enabled(self.nr_conns < self.worker_connections)
        super().wait_for_and_dispatch_events(timeout)

    def set_accept_enabled(self, enabled: bool) -> None:
        super().set_accept_enabled(enabled and not self.is_stuck())

    def is_stuck(self) -> bool:
        """Whether every thread has long been at one request: whoever comes is better off with
        another worker."""
        earliest = monotonic() - limits.STUCK_SECONDS
        moved = [client.moved_at for client in list(self.at_work.values())]
        return len(moved) >= self.cfg.threads and max(moved) < earliest

    def on_client_socket_readable(self, conn: Connection, client: Client) -> None:
        if not conn.is_closed:
            super().on_client_socket_readable(conn, client)

    def enqueue_req(self, conn: Connection) -> None:
        """Read the connection's next request, of which a part may be here, then hand it on."""
        if conn.parser:
            conn.received += conn.parser.unreader.take_buffered()
        conn.sock.setblocking(False)
        self.waiting[conn] = monotonic() + limits.READ_SECONDS
        self.read(conn)
        if conn in self.waiting:
            self.poll(conn, EVENT_READ, self.read)

    def poll(self, conn: Connection, event: int, then: Callable[[Connection, Any], None]) -> None:
        self.poller.register(conn.sock, event, partial(then, conn))
        conn.is_polled = True

    def read(self, conn: Connection, _sock: object = None) -> None:
        """Read what is here; hand the request on when it is enough."""
        if conn.is_closed:
            return
        ended = False
        try:
            data = conn.sock.receive_now()
            conn.received += data
            ended = not data
        except BlockingIOError:
            pass  # a request may have come behind the last one
        except OSError:
            ended = True
        try:
            has_enough = conn.has_enough()
        except HeadTooLargeError:
            conn.say(HEAD_TOO_LARGE)
            self.drop(conn)
            return
        if has_enough:
            self.hand_on(conn)
        elif ended:
            self.drop(conn)

    def hand_on(self, conn: Connection) -> None:
        self.stop_waiting(conn)
        conn.init()
        conn.parser.unreader.unread(bytes(conn.received))
        conn.received.clear()
        conn.sock.upload_until = monotonic() + limits.UPLOAD_SECONDS
        super().enqueue_req(conn)

    def stop_waiting(self, conn: Connection) -> None:
        del self.waiting[conn]
        if conn.is_polled:
            self.poller.unregister(conn.sock)
            conn.is_polled = False

    def drop(self, conn: Connection) -> None:
        self.stop_waiting(conn)
        self.nr_conns -= 1
        conn.close()

    def handle(self, conn: Connection) -> object:
        thread = threading.get_ident()
        conn.sock.moved_at = monotonic()
        self.at_work[thread] = conn.sock
        try:
            return super().handle(conn)
        finally:
            del self.at_work[thread]

    def _keepalive_after(self, conn: Connection, keepalive: bool) -> bool:
        """A body that is not whole here is not waited for: the connection closes."""
        return bool(conn.is_whole and super()._keepalive_after(conn, keepalive))

    def finish_request(self, conn: Connection, done: Future[object]) -> None:
        if not conn.sock.unsent:
            super().finish_request(conn, done)
            return
        conn.sock.setblocking(False)
        self.waiting[conn] = monotonic() + limits.WRITE_SECONDS
        self.poll(conn, EVENT_WRITE, partial(self.write, done))

    def write(self, done: Future[object], conn: Connection, _sock: object) -> None:
        if conn.is_closed:
            return
        try:
            is_sent = conn.sock.send_unsent()
        except OSError:
            self.drop(conn)
            return
        if is_sent:
            self.stop_waiting(conn)
            super().finish_request(conn, done)

    def linger(self, conn: Connection) -> None:
        """Close it after the client has, or has had the time to: earlier, it might lose the end of
        the answer (RFC 9112, section 9.6)."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            conn.close()
            return
        conn.sock.setblocking(False)
        self.lingering[conn] = monotonic() + limits.LINGER_SECONDS
        self.poller.register(conn.sock, EVENT_READ, partial(self.discard, conn))
        self.discard(conn)

    def discard(self, conn: Connection, _sock: object = None) -> None:
        if conn.is_closed:
            return
        try:
            ended = not conn.sock.receive_now()
        except BlockingIOError:
            return
        except OSError:
            ended = True
        if ended:
            self.leave(conn)

    def leave(self, conn: Connection) -> None:
        del self.lingering[conn]
        self.poller.unregister(conn.sock)
        conn.close()

    def notify(self) -> None:
        """Called about once a second."""
        super().notify()
        now = monotonic()
        for waiting, close in ((self.waiting, self.drop), (self.lingering, self.leave)):
            for conn in [conn for conn, until in waiting.items() if until < now]:
                close(conn)
        for thread, client in list(self.at_work.items()):
            if self.alive and now - client.moved_at > self.cfg.timeout:
                self.give_up(thread)

    def give_up(self, thread: int) -> None:
        """Serve no more than what is in hand, then end: the arbiter starts another worker."""
        frame = sys._current_frames().get(thread)
        where = "".join(traceback.format_stack(frame))
        self.log.critical("A request does not end, its worker is replaced:\n%s", where)
        self.hangs, self.alive = True, False

    def run(self) -> None:
        super().run()
        if self.hangs:
            os._exit(1)  # its thread cannot be stopped
