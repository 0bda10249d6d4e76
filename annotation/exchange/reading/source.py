"""A file's bytes as text: gzip within bounds, its encoding by its mark, or else UTF-8."""

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from annotation.exchange.untrusted_json import MOST_CHARACTERS
from annotation.exchange.wording import Unreadable, gettext_noop

GZIP, PARQUET, ZIP = b"\x1f\x8b", b"PAR1", b"PK\x03\x04"
SNIFFED = 1 << 18  # bytes that are looked at to know what a file is
LARGEST_RATIO, SMALLEST_BOUND = 200, 64 << 20  # of a gzip file's content to the file
MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
GUESSES = {"gb18030": "GB18030 (GBK)", "big5": "Big5", "shift_jis": "Shift JIS"}

BOMB = gettext_noop(
    "The gzip file unpacks to more than {times} times its size: unpack it, and look what it holds."
)
DAMAGED = gettext_noop("The gzip file is damaged or cut short: make it anew.")
TWICE_PACKED = gettext_noop("The file is packed twice: unpack it once and upload that.")
ARCHIVE = gettext_noop("The file is a zip archive: unpack it and upload the files in it.")
EMPTY = gettext_noop("The file is empty.")
BINARY = gettext_noop(
    "The file holds null bytes: it is no text, or UTF-16 without its mark. Save it as UTF-8."
)
ENCODING = gettext_noop("The file is not UTF-8; it looks like {encoding}. Save it as UTF-8.")
NOT_UTF8 = gettext_noop("It holds bytes that are not UTF-8: save the file as UTF-8.")
_ESCAPED = re.compile("[\udc80-\udcff]")


class _Bounded(io.RawIOBase):
    """What a gzip file unpacks to. Raises Unreadable where it is damaged or too much."""

    def __init__(self, path: Path) -> None:
        self.file = gzip.open(path)  # noqa: SIM115 (closed with this one)
        self.left = max(SMALLEST_BOUND, LARGEST_RATIO * path.stat().st_size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self.file.read(len(buffer))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise Unreadable(DAMAGED) from error
        self.left -= len(data)
        if self.left < 0:
            raise Unreadable(BOMB, times=LARGEST_RATIO)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self.file.close()
        super().close()


def open_bytes(path: Path) -> io.BufferedIOBase:
    """The file's bytes, unpacked where they are gzip."""
    with path.open("rb") as file:
        is_packed = file.read(2) == GZIP
    if is_packed:
        return io.BufferedReader(_Bounded(path))
    return cast(io.BufferedIOBase, path.open("rb"))


def head_of(path: Path) -> bytes:
    """The first bytes. Raises Unreadable for what is no data."""
    with open_bytes(path) as file:
        head = file.read(SNIFFED)
    if not head:
        raise Unreadable(EMPTY)
    if head.startswith(GZIP):
        raise Unreadable(TWICE_PACKED)
    if head.startswith(ZIP):
        raise Unreadable(ARCHIVE)
    return head


def encoding_of(head: bytes) -> str:
    """By the mark, or else UTF-8. Raises Unreadable when it is neither."""
    for mark, encoding in MARKS.items():
        if head.startswith(mark):
            return encoding
    if b"\0" in head:
        raise Unreadable(BINARY)
    if decodes(head, "utf-8"):
        return "utf-8"
    raise Unreadable(ENCODING, encoding=_likely(head))


def _likely(head: bytes) -> str:
    """Letters of a Latin alphabet that are not ASCII mostly stand alone, two bytes of a character
    never do."""
    runs = re.findall(rb"[\x80-\xff]+", head)
    if 2 * sum(len(run) == 1 for run in runs) > len(runs):
        return "Windows-1252"
    return next((GUESSES[name] for name in GUESSES if decodes(head, name)), "Windows-1252")


def decodes(head: bytes, encoding: str) -> bool:
    """Whether the bytes are text in it; the last ones may be half a character."""
    for cut in range(4):
        try:
            head[: len(head) - cut].decode(encoding)
        except UnicodeDecodeError:
            continue
        return True
    return False


def open_text(path: Path, encoding: str, newline: str) -> io.TextIOWrapper:
    """Bytes that are not in the encoding come as what `holds_bytes` finds."""
    errors = "surrogateescape" if encoding != "utf-16" else "replace"
    file = cast(io.BufferedReader, open_bytes(path))
    return io.TextIOWrapper(file, encoding, errors=errors, newline=newline)


def holds_bytes(text: str) -> bool:
    return _ESCAPED.search(text) is not None


def bounded_lines(file: io.TextIOBase, most: int = MOST_CHARACTERS) -> Iterator[str | None]:
    """Each line with its end; None for one that is too long, of which nothing is kept."""
    while line := file.readline(most + 1):
        if len(line) <= most:
            yield line
            continue
        while line and not line.endswith("\n"):
            line = file.readline(most)
        yield None
