"""What `make up` sees to before it starts anything: each failure is one sentence (`Stop`)."""

import errno
import fcntl
import os
import re
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError

from annotation.exchange.files import write_private
from annotation.lm.default_model import NEEDED_BYTES
from config import env
from config.install import Step, Stop, require_space

# The database, logs and static files of a first run.
VAR_BYTES = 200_000_000
ENDING_SECONDS = 20.0


@contextmanager
def only_one(folder: Path) -> Iterator[int]:
    """Hold the folder's lock, so that two launchers never serve one folder; its descriptor.

    Processes that are given the descriptor hold it too: after a launcher that was killed, the next
    one waits until they have ended, and with them their ports and sockets.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / "up.lock").open("a+")
    except OSError as error:
        raise Stop(f"{folder} cannot be written: {error.strerror}.") from error
    with lock:
        if not _take(lock):
            lock.seek(0)
            holder = lock.read()
            if _lives(holder):
                raise Stop(f"Laoshi already runs from {folder}: {holder}")
            _wait_for_the_last(lock, folder)
        lock.truncate(0)
        lock.write(f"process {os.getpid()}. Stop that one first, or set VAR_FOLDER.")
        lock.flush()
        yield lock.fileno()


def _take(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lives(holder: str) -> bool:
    """Whether the launcher that wrote its number there runs still."""
    written = re.match(r"process (\d+)", holder)
    try:
        if written is not None:
            os.kill(int(written[1]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it lives, and is another person's
        return True
    return True


def _wait_for_the_last(lock: IO[str], folder: Path) -> None:
    with Step("An earlier start") as step:
        step.detail = "its processes are ending"
        deadline = time.monotonic() + ENDING_SECONDS
        while not _take(lock):
            if time.monotonic() > deadline:
                raise Stop(
                    f"Processes of an earlier start from {folder} do not end: "
                    f"see which have {lock.name} open, and stop them."
                )
            time.sleep(0.1)
        step.detail = "has ended"


def make_secret_key(file: Path) -> None:
    if not file.exists() and not env.text("SECRET_KEY"):
        write_private(file, secrets.token_urlsafe(64))


def require_free_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise Stop(f"Port {port} cannot be used: {error.strerror}.") from error
            raise Stop(
                f"Port {port} is in use. Stop what listens there, or choose another port: "
                f"make up PORT={port + 1}"
            ) from error


def require_redis() -> None:
    with Step("Redis") as step:
        try:
            with Redis.from_url(settings.REDIS_URL, socket_connect_timeout=5) as client:
                client.ping()
        except (RedisError, ValueError) as error:
            raise Stop(f"The Redis that REDIS_URL names does not answer: {error}") from error
        step.detail = "answers"


def uses_default_model() -> bool:
    return bool(str(settings.DEFAULT_POLICY_FOLDER) == settings.POLICY_MODEL)


def require_free_space() -> None:
    needed, purpose = VAR_BYTES, "Laoshi"
    if uses_default_model() and not settings.DEFAULT_POLICY_FOLDER.exists():
        needed, purpose = needed + NEEDED_BYTES, "Laoshi with its default model"
    require_space(settings.VAR_FOLDER, needed, purpose)
