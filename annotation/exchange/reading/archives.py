"""Zip archives of data sets, unpacked within bounds for as long as their files are read."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from lzma import LZMAError
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from annotation.exchange.files import NoRoom, require_room, visible_files
from annotation.exchange.reading.source import IS_EXCEL
from annotation.exchange.wording import Unreadable, gettext_noop, reason_of

MOST_MEMBERS = 10_000
_FAILURES = (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error, LZMAError)
"""What zipfile raises of archives that it cannot unpack; RuntimeError: of encrypted ones."""

NOT_UNPACKED = gettext_noop(
    "The archive cannot be unpacked ({reason}): it is damaged, encrypted, or holds a name that no "
    "file can have here. Unpack it yourself and take the files in it."
)
NOT_EXTRACTED = gettext_noop(
    "“{member}” in the archive cannot be unpacked ({reason}). Unpack it yourself and take the "
    "files in it."
)
TOO_LARGE = gettext_noop(
    "The archive takes more than {megabytes} MB unpacked: unpack it and take the files in it."
)
TOO_MANY = gettext_noop("The archive holds more than {most} files: unpack it and take some.")


@contextmanager
def unpacked(archive: Path | IO[bytes], most_bytes: int | None = None) -> Iterator[Path]:
    """The folder that it is of. Raises Unreadable; NoRoom, where the disk has not enough."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        _unpack(archive, folder, most_bytes)
        entries = {path.relative_to(folder).parts[0] for path in visible_files(folder)}
        entries -= {"__MACOSX"}
        only = folder / next(iter(entries)) if len(entries) == 1 else folder
        yield only if only.is_dir() else folder


def _unpack(archive: Path | IO[bytes], folder: Path, most_bytes: int | None) -> None:
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            _check(members, most_bytes)
            require_room(folder, sum(member.file_size for member in members))
            for member in members:
                _extract(opened, member, folder)
    except (Unreadable, NoRoom):
        raise
    except _FAILURES as problem:
        raise Unreadable(NOT_UNPACKED, reason=reason_of(problem)[:200]) from problem


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    try:
        archive.extract(member, folder)
    except OSError as problem:  # it names our folder, which says nothing to anybody
        given = {"member": member.filename[:100], "reason": reason_of(problem)}
        raise Unreadable(NOT_EXTRACTED, **given) from problem


def _check(members: list[zipfile.ZipInfo], most_bytes: int | None) -> None:
    if any(member.filename.startswith("xl/") for member in members):
        raise Unreadable(IS_EXCEL)
    if len(members) > MOST_MEMBERS:
        raise Unreadable(TOO_MANY, most=MOST_MEMBERS)
    if most_bytes is not None and sum(member.file_size for member in members) > most_bytes:
        raise Unreadable(TOO_LARGE, megabytes=most_bytes >> 20)
