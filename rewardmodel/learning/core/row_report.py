"""What became of the rows that were read: used, skipped or shortened, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rewardmodel.learning.core.run_folder import TrainingFailure
from rewardmodel.learning.core.snapshot import PreferenceData


def row_sentence(
    what: str, used: int, skipped: Mapping[str, int], shortened: Mapping[str, int]
) -> str:
    """What became of the rows that were read, as a line for the terminal."""
    rows = used + sum(skipped.values())
    parts = [f"{used} of {rows} {what} are used"]
    parts += [f"skipped: {by_reason(skipped)}"] if skipped else []
    parts += [f"shortened: {by_reason(shortened)}"] if shortened else []
    return "; ".join(parts) + "."


def require_groups(rows: PreferenceData, snapshot: str) -> None:
    """Raises TrainingFailure where none is left to train on."""
    if not rows.with_unranked("train"):
        skipped = f" (skipped: {by_reason(rows.skipped)})" if rows.skipped else ""
        raise TrainingFailure(f"No usable group to train on in {snapshot}{skipped}.")


def row_counts(skipped: Mapping[str, int], shortened: Mapping[str, int]) -> dict[str, Any]:
    """As in result.json: rows left out by reason, and cut ones in all and by what was cut."""
    return {
        "skipped": dict(skipped),
        "shortened": sum(shortened.values()),
        "shortened_by": dict(shortened),
    }


def by_reason(counts: Mapping[str, int]) -> str:
    """Such as "3 with only ties, 1 with NaN"."""
    return ", ".join(f"{count} with {reason}" for reason, count in sorted(counts.items()))
