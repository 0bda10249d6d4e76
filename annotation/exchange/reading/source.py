"""A file's bytes as text: gzip within bounds, its encoding by its mark, or else UTF-8."""

import gzip
import io
import re
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, cast

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
PACKED = gettext_noop("The file is packed with {name}: unpack it, or pack it with gzip.")
IS_ARROW = gettext_noop(
    "The file is Arrow, as save_to_disk writes it: write Parquet, with to_parquet."
)
IS_EXCEL = gettext_noop("The file is an Excel workbook: save the sheet as CSV UTF-8.")
IS_PDF = gettext_noop("The file is a PDF, which holds no rows: look for the data that it shows.")
IS_SQLITE = gettext_noop("The file is a SQLite database: export its table as CSV.")
IS_PICKLE = gettext_noop("The file is a Python pickle, which is not opened: it could run anything.")
IS_PAGE = gettext_noop("The file is a web page and not the data: download the file itself.")
IS_POINTER = gettext_noop(
    "The file is a pointer to the data and not the data (Git LFS): fetch it with “git lfs pull”, "
    "or download the file itself."
)
_KINDS = {
    **{b"ARROW1": IS_ARROW, b"\xff\xff\xff\xff": IS_ARROW, b"%PDF-": IS_PDF},
    **{b"\xd0\xcf\x11\xe0": IS_EXCEL, b"SQLite format 3": IS_SQLITE},
    **dict.fromkeys((b"\x80\x03", b"\x80\x04", b"\x80\x05"), IS_PICKLE),
    **{b"version https://git-lfs": IS_POINTER, b"<!DOCTYPE html": IS_PAGE, b"<html": IS_PAGE},
    **dict.fromkeys((b"\xff\xfe\0\0", b"\0\0\xfe\xff"), BINARY),
}
_PACKERS = {
    **{b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz"},
    **{b"7z\xbc\xaf": "7-Zip", b"Rar!": "RAR", b"\x04\x22\x4d\x18": "lz4"},
}
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


@contextmanager
def open_anywhere(path: Path) -> Iterator[IO[bytes]]:
    """Like `open_bytes`, to be read at any place: what is packed is unpacked aside first."""
    with open_bytes(path) as file:
        if file.seekable():
            yield cast(IO[bytes], file)
            return
        with TemporaryFile() as aside:
            shutil.copyfileobj(file, aside)
            aside.seek(0)
            yield aside


def head_of(path: Path) -> bytes:
    """The first bytes. Raises Unreadable for what is no data."""
    with open_bytes(path) as file:
        head = file.read(SNIFFED)
    if not head:
        raise Unreadable(EMPTY)
    if head.startswith(GZIP):
        raise Unreadable(TWICE_PACKED)
    if head.startswith(ZIP):
        raise Unreadable(IS_EXCEL if b"xl/" in head[:4096] else ARCHIVE)
    _check_kind(head)
    return head


def _check_kind(head: bytes) -> None:
    """Raises Unreadable for what is known, and is no file of rows."""
    begin = head.lstrip()[:40].lower()
    for mark, sentence in _KINDS.items():
        if head.startswith(mark) or (mark[:1] == b"<" and begin.startswith(mark.lower())):
            raise Unreadable(sentence)
    for mark, name in _PACKERS.items():
        if head.startswith(mark):
            raise Unreadable(PACKED, name=name)


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
