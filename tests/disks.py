"""Disks that fill up or lose their power, where the machine lets the tests mount one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.disk import Disk, NoDisk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """200 MB of its own."""
    try:
        with Disk(tmp_path, 200) as mounted:
            yield mounted
    except NoDisk as why:
        pytest.skip(str(why))
