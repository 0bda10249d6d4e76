"""A disk in a file: it can fill up, and its power can be cut. Linux, and root, who may mount it."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
from contextlib import AbstractContextManager, suppress
from pathlib import Path

# include/uapi/linux/ext4.h, _IOR('X', 125, __u32). From then on the file system writes nothing:
# what it had only in memory is lost, its own journal included, as when the power goes.
EXT4_SHUTDOWN = 0x8004587D
WITHOUT_ITS_JOURNAL = 2
PROGRAMS = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


class NoDisk(Exception):
    """A sentence that says why this machine mounts none."""


class Disk(AbstractContextManager["Disk"]):
    """An ext4 file system of so many megabytes, mounted at `root` between enter and exit.

    Raises NoDisk on entering.
    """

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.image, self.root, self.megabytes = folder / "disk.img", folder / "disk", megabytes

    def __enter__(self) -> Disk:
        self.root.mkdir()
        with self.image.open("wb") as image:
            image.truncate(self.megabytes * 1_000_000)
        _run("mkfs.ext4", "-q", "-m", "0", str(self.image))
        self._mount()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(NoDisk):
            _run("umount", "--lazy", str(self.root))

    def cut_power(self) -> None:
        """Whatever was not synced before is lost; until `restart` nothing can be written."""
        descriptor = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_SHUTDOWN, struct.pack("I", WITHOUT_ITS_JOURNAL))
        finally:
            os.close(descriptor)

    def restart(self) -> None:
        """As after the power came back. No process may have a file open there."""
        _run("umount", str(self.root))
        self._mount()

    def fill(self, leave: int = 0) -> Path:
        """A file that leaves so many bytes free; remove it to make room."""
        ballast = self.root / "ballast"
        with ballast.open("wb") as file, suppress(OSError):
            while (free := shutil.disk_usage(self.root).free) > leave:
                os.posix_fallocate(file.fileno(), file.tell(), max(1, free - leave))
                file.seek(0, os.SEEK_END)
        return ballast

    def _mount(self) -> None:
        _run("mount", "-o", "loop", str(self.image), str(self.root))


def _run(program: str, *words: str) -> None:
    found = shutil.which(program, path=PROGRAMS)
    if os.geteuid() != 0 or found is None:
        raise NoDisk(f"To mount a disk of its own takes root and {program}.")
    ended = subprocess.run([found, *words], capture_output=True, text=True, check=False)
    if ended.returncode:
        raise NoDisk(ended.stderr.strip() or f"{program} ended with {ended.returncode}.")
