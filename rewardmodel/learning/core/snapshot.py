"""Reads a snapshot: what of its rows can be learned from, by split."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from annotation.exchange.jsonl import canonical, holds_half_characters
from annotation.exchange.split import Split, half_of, prompt_key
from annotation.lm.chat import ChatError
from rewardmodel.learning.core.snapshot_rows import (
    DemonstrationRow,
    GroupRow,
    PromptRow,
    SnapshotError,
    demonstration_of,
    group_of,
    holds_nan,
    prompt_of,
    unusable,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreferenceData:
    """Usable groups by split, and how many were skipped for which reason.

    `unranked` are groups of either split with answers alone, where whoever reads asked for them:
    what is said of their answers, if anything, sets none above another.
    """

    train: list[GroupRow] = field(default_factory=list)
    heldout: list[GroupRow] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    unranked: list[GroupRow] = field(default_factory=list)

    def of_half(self, half: int) -> PreferenceData:
        """Its training groups in the first or second half of all prompts; 0: all of them."""
        own = [row for row in self.train if half in (0, half_of(prompt_key(row.prompt)))]
        return replace(self, train=own)

    def with_unranked(self, split: Split) -> list[GroupRow]:
        """All groups of a split, the ranked ones first."""
        ranked = self.train if split == "train" else self.heldout
        return [*ranked, *(row for row in self.unranked if row.split == split)]


@dataclass(frozen=True)
class DemonstrationData:
    """Demonstrations by split, and how many were skipped for which reason."""

    train: list[DemonstrationRow] = field(default_factory=list)
    heldout: list[DemonstrationRow] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)


def read_groups(
    path: Path,
    heldout_percent: int,
    labeler_weights: Mapping[str, float] | None = None,
    *,
    need_rankings: bool = True,
) -> PreferenceData:
    """The ranked groups of a snapshot, and the others where no rankings are needed. Raises
    SnapshotError."""
    rows = json_rows(path)
    return sort_groups(
        rows, str(path), heldout_percent, labeler_weights, need_rankings=need_rankings
    )


def sort_groups(
    rows: Iterable[tuple[str, dict[str, Any]]],
    source: str,
    heldout_percent: int,
    labeler_weights: Mapping[str, float] | None = None,
    *,
    need_rankings: bool = True,
) -> PreferenceData:
    """The usable ones of groups, each with where it stands.

    A labeler's weight is that of `labeler_weights`, else the ranking's own, else 1. Raises
    SnapshotError.
    """
    data = PreferenceData()
    weighted = set(labeler_weights or {})
    for where, row in rows:
        if holds_nan(row):
            data.skipped["NaN"] += 1
            continue
        if not need_rankings:
            row.setdefault("rankings", [])
        group = group_of(where, row, heldout_percent, labeler_weights)
        weighted -= {ranking.labeler for ranking in group.rankings}
        reason = unusable(group)
        if reason is not None and not need_rankings and len(group.answers) > 1:
            data.unranked.append(group)
        elif reason is not None:
            data.skipped[reason] += 1
        else:
            (data.train if group.split == "train" else data.heldout).append(group)
    for name in sorted(weighted):
        logger.warning("labeler_weights names %s, who ranked nothing in %s.", name, source)
    return data


def read_prompts(path: Path, heldout_percent: int) -> tuple[list[PromptRow], list[PromptRow]]:
    """The distinct prompts of a snapshot, to train on and held out. Raises SnapshotError."""
    return sort_prompts(json_rows(path), heldout_percent)


def sort_prompts(
    rows: Iterable[tuple[str, dict[str, Any]]], heldout_percent: int
) -> tuple[list[PromptRow], list[PromptRow]]:
    """The distinct ones, each with where it stands. Raises SnapshotError."""
    train: dict[str, PromptRow] = {}
    heldout: dict[str, PromptRow] = {}
    for where, row in rows:
        prompt = prompt_of(where, row, heldout_percent)
        (train if prompt.split == "train" else heldout).setdefault(
            prompt_key(prompt.prompt), prompt
        )
    return list(train.values()), list(heldout.values())


def read_demonstrations(path: Path, heldout_percent: int) -> DemonstrationData:
    """The conversations of a snapshot, whose last message is the answer. Raises SnapshotError."""
    return sort_demonstrations(json_rows(path), heldout_percent)


def sort_demonstrations(
    rows: Iterable[tuple[str, dict[str, Any]]], heldout_percent: int
) -> DemonstrationData:
    """The usable ones of conversations, each with where it stands. Raises SnapshotError."""
    data = DemonstrationData()
    for where, row in rows:
        demonstration = demonstration_of(where, row, heldout_percent)
        if not demonstration.answer.strip():
            data.skipped["empty answer"] += 1
            continue
        (data.train if demonstration.split == "train" else data.heldout).append(demonstration)
    return data


@contextmanager
def naming(kind: str, name: str) -> Iterator[None]:
    """Turns what a chat template refuses into a SnapshotError that names the row."""
    try:
        yield
    except ChatError as error:
        raise SnapshotError(f"{kind} {name}: {error}") from error


def json_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each object of a JSON Lines file with where it stands. Raises SnapshotError."""
    if path.is_dir():
        raise SnapshotError(f"{path} is a folder; name a JSON Lines file.")
    if not path.is_file():
        raise SnapshotError(f"There is no snapshot at {path}.")
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                where = f"{path} line {number}"
                try:
                    row = json.loads(line)
                except json.JSONDecodeError as error:
                    raise SnapshotError(f"{where}: not JSON ({error.msg}).") from error
                if not isinstance(row, dict):
                    raise SnapshotError(f"{where}: not a JSON object.")
                if "\\ud" in line.lower() and holds_half_characters(canonical(row)):
                    raise SnapshotError(f"{where}: holds half a character (\\ud...): mend it.")
                yield where, row
    except UnicodeDecodeError as error:
        raise SnapshotError(f"{path} is not UTF-8 text: convert it.") from error
