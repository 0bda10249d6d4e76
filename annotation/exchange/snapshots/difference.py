"""What became of the rows between one snapshot and another.

A row is known by its prompt and answers, so that snapshots of two installations can be compared;
what was said of it is known by who said it.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from annotation.exchange.jsonl import canonical
from annotation.exchange.split import prompt_key

Row = Mapping[str, Any]
Said = dict[str, bytes]  # labeler: a digest of what they said


@dataclass(frozen=True)
class Known:
    """A row as it is remembered: enough to name it, and to see whether it is the same."""

    id: str
    question: str
    said: Said


@dataclass
class SnapshotDifference:
    """Rows only in the second, only in the first, and in both with something else said of them."""

    added: list[Known] = field(default_factory=list)
    gone: list[Known] = field(default_factory=list)
    changed: list[Known] = field(default_factory=list)
    same: int = 0
    rankings_added: int = 0
    rankings_gone: int = 0
    rankings_changed: int = 0


def difference(first: Iterable[Row], second: Iterable[Row]) -> SnapshotDifference:
    """Reads both row by row; what it keeps of a row is some 300 bytes."""
    left = {_key(row): _known(row) for row in first}
    found = SnapshotDifference()
    for row in second:
        now, before = _known(row), left.pop(_key(row), None)
        if before is None:
            found.added.append(now)
            found.rankings_added += len(now.said)
            continue
        common = before.said.keys() & now.said.keys()
        changed = sum(before.said[labeler] != now.said[labeler] for labeler in common)
        found.rankings_added += len(now.said) - len(common)
        found.rankings_gone += len(before.said) - len(common)
        found.rankings_changed += changed
        if before.said == now.said:
            found.same += 1
        else:
            found.changed.append(now)
    found.gone = list(left.values())
    found.rankings_gone += sum(len(row.said) for row in found.gone)
    return found


def _key(row: Row) -> bytes:
    asked = row["messages"] if "messages" in row else row["prompt"]
    return _digest({"prompt": prompt_key(asked), "answers": row.get("answers", [])})


def _known(row: Row) -> Known:
    said: dict[str, list[Row]] = {}
    for ranking in row.get("rankings") or []:
        said.setdefault(str(ranking.get("labeler", "")), []).append(ranking)
    asked = row["messages"][:-1] if "messages" in row else row["prompt"]
    digests = {labeler: _digest({"said": parts}) for labeler, parts in said.items()}
    return Known(str(row.get("id", "")), str(asked[-1]["content"])[:200], digests)


def _digest(content: Row) -> bytes:
    return hashlib.blake2b(canonical(content).encode(), digest_size=16).digest()
