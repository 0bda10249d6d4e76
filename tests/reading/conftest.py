"""A file whose name says nothing of what is in it."""

from pathlib import Path

import pytest


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "named.anything"
