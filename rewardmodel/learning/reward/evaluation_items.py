"""What a reward model is to decide: chosen answers against rejected ones, read from a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from annotation.judgment.scores import mid_ranks
from annotation.lm.chat import Message
from rewardmodel.learning.core.snapshot import json_rows
from rewardmodel.learning.core.snapshot_rows import SnapshotError, group_of, is_message

TIES = "Ties"


@dataclass(frozen=True)
class Item:
    """`chosen` answers are to score higher than `rejected` ones; several of them are equally good,
    and belong to the subset Ties."""

    id: str
    subset: str
    prompt: list[Message]
    chosen: list[str]
    rejected: list[str]

    @property
    def answers(self) -> list[str]:
        """The chosen ones first."""
        return [*self.chosen, *self.rejected]

    @property
    def is_tie(self) -> bool:
        return self.subset.lower() == TIES.lower()

    @property
    def in_ties(self) -> tuple[str, bool]:
        """What a tied item and its reference have in common, as "tied:7" and "ref:7" have 7; and
        whether this is the tied one, with several chosen answers."""
        return self.id.rpartition(":")[2], len(self.chosen) > 1


def read_items(path: Path, heldout_percent: int | None = None) -> tuple[list[Item], Counter[str]]:
    """The items of a file, and how many rows were skipped for which reason.

    A row is one of RewardBench 2 (arXiv 2506.01937): `prompt` (a text, or messages), `chosen`,
    `rejected`, `subset`, `id`; or a ranked group, whose best answer, by the mean of all labelers'
    ranks, is the chosen one. With `heldout_percent` the groups are those that a training with the
    same share holds out. Raises SnapshotError, which names the line.
    """
    items, skipped, ties = [], Counter[str](), set()
    for where, row in json_rows(path):
        ranked = "answers" in row
        found = _ranked(where, row, heldout_percent) if ranked else _chosen(where, row)
        if isinstance(found, str):
            skipped[found] += 1
            continue
        if found.is_tie:
            if found.in_ties in ties:
                raise SnapshotError(f"{where}: another item of {TIES} has the id {found.id}.")
            ties.add(found.in_ties)
        items.append(found)
    if not items:
        raise SnapshotError(f"{path} holds nothing to decide.")
    return items, skipped


def _chosen(where: str, row: dict[str, Any]) -> Item:
    texts = {name: row.get(name) for name in ("chosen", "rejected")}
    for name, value in texts.items():
        if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
            raise SnapshotError(f"{where}: '{name}' must be a list of one or more texts.")
    chosen, rejected = (cast(list[str], value) for value in texts.values())
    prompt, subset = row.get("prompt"), row.get("subset")
    if isinstance(prompt, str):
        prompt = [{"role": "user", "content": prompt}]
    if not isinstance(prompt, list) or not prompt or not all(map(is_message, prompt)):
        raise SnapshotError(f"{where}: 'prompt' must be a text, or a list of messages.")
    if not isinstance(subset, str) or not subset:
        raise SnapshotError(f"{where}: 'subset' must be the name of the item's subset.")
    item = Item(str(row.get("id", where)), subset, prompt, chosen, rejected)
    if len(chosen) > 1 and not item.is_tie:
        raise SnapshotError(f"{where}: {len(chosen)} chosen answers; only {TIES} has several.")
    return item


def _ranked(where: str, row: dict[str, Any], heldout_percent: int | None) -> Item | str:
    """The item, or why the group is none."""
    group = group_of(where, row, heldout_percent or 0)
    if heldout_percent is not None and group.split == "train":
        return "a prompt to train on"
    if not group.counted:
        return "not ranked"
    whole = [[rank for rank in ranking.ranks if rank] for ranking in group.counted]
    if any(len(ranks) < len(group.answers) for ranks in whole):
        return "not all answers are compared"
    places = mean_ranks(whole)
    best = min(places, default=0.0)
    chosen = [answer for answer, rank in zip(group.answers, places, strict=True) if rank == best]
    rejected = [answer for answer, rank in zip(group.answers, places, strict=True) if rank > best]
    if not rejected:
        return "nothing that is worse"
    subset = TIES if len(chosen) > 1 else str(row.get("subset") or row.get("source") or "groups")
    return Item(group.id, subset, group.prompt, chosen, rejected)


def mean_ranks(rankings: Sequence[Sequence[int]]) -> list[float]:
    """Of K answers over labelers, ties at their mid-rank; sums of halves, so equal ones are."""
    ranks = [mid_ranks(ranking) for ranking in rankings]
    return [sum(own) / len(rankings) for own in zip(*ranks, strict=True)]
