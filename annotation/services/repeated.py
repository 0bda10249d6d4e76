"""Something small that goes on beside long work."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import DatabaseError, connection

logger = logging.getLogger(__name__)


@contextmanager
def repeated(act: Callable[[], object], seconds: float, what: object) -> Iterator[None]:
    """Calls `act` every so often, from a thread with a connection of its own, until the block ends.

    A database that is away, or restarted, is asked again the next time; `what` is for the log.
    """
    done = threading.Event()

    def go_on() -> None:
        while not done.wait(seconds):
            try:
                act()
            except DatabaseError as problem:
                logger.warning("The claim of %s is not renewed: %s", what, problem)
            finally:
                connection.close()

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
