"""A folder as a tar archive, made while it is read, from any place in it."""

import hashlib
import io
import os
import tarfile
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

BLOCK = 1 << 20
CONTENT_TYPE = "application/x-tar"


class Archive(io.RawIOBase):
    """All files of the folder below `name`/, then `more`, by the path of each. Not compressed:
    weights hardly get smaller. The same files give the same bytes, and the same `tag`."""

    def __init__(self, folder: Path, name: str, more: Mapping[str, bytes]) -> None:
        self._pieces = list(_pieces(folder, name, more))
        self._ends = list(accumulate(size for _piece, size in self._pieces))
        self._place = 0
        self._open: tuple[Path, BinaryIO] | None = None
        said = b"".join(piece for piece, _size in self._pieces if isinstance(piece, bytes))
        self.tag = hashlib.sha256(said).hexdigest()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._ends[-1]}
        self._place = max(0, start[whence] + place)
        return self._place

    def readinto(self, buffer: Any) -> int:
        """As much as the piece at this place has; 0 at the end. Raises OSError for a file that is
        shorter than it was."""
        number = bisect_right(self._ends, self._place)
        if number == len(self._pieces):
            return 0
        piece, size = self._pieces[number]
        start = self._place - (self._ends[number] - size)
        length = min(len(buffer), size - start)
        if isinstance(piece, bytes):
            block = piece[start : start + length]
        else:
            file = self._file(piece)
            file.seek(start)
            block = file.read(length)
            if length and not block:
                raise OSError(f"{piece} became shorter while it was sent")
        buffer[: len(block)] = block
        self._place += len(block)
        return len(block)

    def close(self) -> None:
        if self._open:
            self._open[1].close()
        super().close()

    def _file(self, path: Path) -> BinaryIO:
        if self._open is None or self._open[0] != path:
            if self._open:
                self._open[1].close()
            self._open = path, path.open("rb")
        return self._open[1]


def _pieces(
    folder: Path, name: str, more: Mapping[str, bytes]
) -> Iterator[tuple[bytes | Path, int]]:
    """What the archive consists of, with the length of each."""
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).as_posix()
        if path.is_file() and relative not in more:
            stat = path.stat()
            yield _said(_header(f"{name}/{relative}", stat.st_size, int(stat.st_mtime)))
            yield path, stat.st_size
            yield _said(_padding(stat.st_size))
    for relative, content in more.items():
        yield _said(_header(f"{name}/{relative}", len(content), 0) + content)
        yield _said(_padding(len(content)))
    yield _said(bytes(2 * tarfile.BLOCKSIZE))


def _said(content: bytes) -> tuple[bytes, int]:
    return content, len(content)


def _header(path: str, size: int, changed: int) -> bytes:
    info = tarfile.TarInfo(path)
    info.size, info.mtime = size, changed
    return info.tobuf(tarfile.PAX_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)
