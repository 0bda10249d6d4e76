"""Files that commands write, and what they say where one cannot be."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.management.base import CommandError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an OSError into a CommandError that names the path."""
    try:
        yield
    except OSError as problem:
        raise CommandError(f"{path} cannot be written: {problem.strerror}.") from problem
