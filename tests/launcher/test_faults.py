"""People rank while parts of Laoshi are killed: the short form of bench/faults.py."""

import json
import subprocess
import sys
from typing import Any

import pytest

from config.env import BASE_FOLDER
from tests.launcher.launching import without_what_tests_set

LONGEST = 600  # seconds, on a machine that does much else

Row = dict[str, Any]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """One for each fault, then their sum."""
    done = subprocess.run(
        [sys.executable, "bench/faults.py", "--short", "--json"],
        cwd=BASE_FOLDER,
        env=without_what_tests_set(),
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert lines, done.stderr
    told = json.loads(lines[-1])
    assert told["unfinished"] == 0, done.stdout
    found: list[Row] = told["rows"]
    return found


def test_rankings_are_acknowledged_after_every_fault(rows: list[Row]) -> None:
    assert len(rows) > 4
    assert [row["fault"] for row in rows if not row["acknowledged"]] == []


def test_no_acknowledged_ranking_is_lost_or_stored_twice(rows: list[Row]) -> None:
    total = rows[-1]
    assert (total["lost"], total["doubled"]) == (0, 0)
    assert total["once"] == total["acknowledged"]


def test_every_part_is_well_again_with_nobody_starting_it(rows: list[Row]) -> None:
    assert [row["fault"] for row in rows if row["well_after"] is None] == []
    assert [row["fault"] for row in rows if row["started"]] == []
