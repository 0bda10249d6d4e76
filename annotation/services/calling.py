"""Calling a worker for what a transaction has stored."""

from collections.abc import Callable
from functools import wraps

from django.db import transaction


def call_after_commit(call: Callable[..., object], *about: object) -> None:
    """Once what is written now is stored; at once where no transaction is open.

    A broker that does not answer is a line in the log and delays the work: beat calls again.
    """

    # A function, not a `partial`: Django's log line asks for the name of what failed.
    @wraps(call)
    def called() -> None:
        call(*about)

    transaction.on_commit(called, robust=True)
