"""A folder as a tar archive, written while it is sent."""

import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

BLOCK = 1 << 20


def archive_of(folder: Path, name: str, more: Mapping[str, bytes]) -> Iterator[bytes]:
    """All files of the folder below `name`/, then `more`, by the path of each. Not compressed:
    weights hardly get smaller."""
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).as_posix()
        if not path.is_file() or relative in more:
            continue
        size = path.stat().st_size
        yield _header(f"{name}/{relative}", size, int(path.stat().st_mtime))
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                yield block
        yield _padding(size)
    for relative, content in more.items():
        yield _header(f"{name}/{relative}", len(content), 0)
        yield content
        yield _padding(len(content))
    yield bytes(2 * tarfile.BLOCKSIZE)


def _header(path: str, size: int, changed: int) -> bytes:
    info = tarfile.TarInfo(path)
    info.size, info.mtime = size, changed
    return info.tobuf(tarfile.PAX_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)
