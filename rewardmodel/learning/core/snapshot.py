"""Reads a snapshot: one JSON object a line, each checked, with errors that name file and line."""

from __future__ import annotations

import json
import logging
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from annotation.exchange.jsonl import canonical, holds_half_characters
from annotation.exchange.split import Split, half_of, prompt_key, split_of
from annotation.lm.chat import ChatError, Message

logger = logging.getLogger(__name__)


class SnapshotError(ValueError):
    """A snapshot that cannot be used; the text says where and why."""


@dataclass(frozen=True)
class PromptRow:
    """A prompt to answer."""

    id: str
    prompt: list[Message]
    split: Split


@dataclass(frozen=True)
class LabelerRanking:
    """What one labeler said of K answers.

    `ranks` [K], 1 best, equal ranks tie, None was not compared; what is no order of some of the
    answers is several rankings by the same labeler, of different pairs. `ratings` [K] from 1 to 7,
    7 best, where the labeler gave some. `weight` is how much this labeler's word counts in
    training; with 0 it does not count, nor in the figures over all labelers.
    """

    labeler: str
    ranks: Sequence[int | None]
    ratings: list[float] | None = None
    weight: float = 1.0


@dataclass(frozen=True)
class GroupRow(PromptRow):
    """A prompt, its K answers, and what each labeler said of them."""

    answers: list[str]
    rankings: list[LabelerRanking]

    @property
    def asked(self) -> tuple[list[Message], list[str]]:
        """Prompt and answers, as whoever reads or judges them takes them."""
        return self.prompt, self.answers

    @property
    def counted(self) -> list[LabelerRanking]:
        """The rankings of labelers whose word counts."""
        return [ranking for ranking in self.rankings if ranking.weight > 0]


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
class DemonstrationRow(PromptRow):
    """A prompt and the answer to learn."""

    answer: str


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
        if _holds_nan(row):
            data.skipped["NaN"] += 1
            continue
        if not need_rankings:
            row.setdefault("rankings", [])
        group = group_of(where, row, heldout_percent, labeler_weights)
        weighted -= {ranking.labeler for ranking in group.rankings}
        reason = _unusable(group)
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
        prompt = _prompt(where, row, heldout_percent)
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
        messages = row.get("messages")
        if not isinstance(messages, list) or len(messages) < 2:
            raise SnapshotError(f"{where}: 'messages' must be a list of two or more messages.")
        prompt = _prompt(where, {**row, "prompt": messages[:-1]}, heldout_percent)
        if not is_message(messages[-1]) or messages[-1]["role"] != "assistant":
            raise SnapshotError(f"{where}: the last message must be the assistant's answer.")
        if not messages[-1]["content"].strip():
            data.skipped["empty answer"] += 1
            continue
        demonstration = DemonstrationRow(
            prompt.id, prompt.prompt, prompt.split, messages[-1]["content"]
        )
        (data.train if prompt.split == "train" else data.heldout).append(demonstration)
    return data


@contextmanager
def naming(kind: str, name: str) -> Iterator[None]:
    """Turns what a chat template refuses into a SnapshotError that names the row."""
    try:
        yield
    except ChatError as error:
        raise SnapshotError(f"{kind} {name}: {error}") from error


def _unusable(group: GroupRow) -> str | None:
    if len(group.answers) < 2:
        return "only one answer"
    if not _are_empty_ones_last(group):
        return "empty answer"
    if not group.rankings:
        return "not ranked"
    if not group.counted:
        return "only labelers of weight 0"
    if all(len({*ranking.ranks} - {None}) < 2 for ranking in group.counted):
        return "only ties"
    return None


def _are_empty_ones_last(group: GroupRow) -> bool:
    """Whether nobody who counts called an empty answer better than one that says something.

    An empty answer that somebody did prefer is a slip, or something went wrong with the others.
    """
    says_something = [bool(answer.strip()) for answer in group.answers]
    for ranking in group.counted:
        pairs = list(zip(ranking.ranks, says_something, strict=True))
        ranked = [(rank, said) for rank, said in pairs if rank is not None]
        best_empty = min((rank for rank, said in ranked if not said), default=math.inf)
        if any(said and rank > best_empty for rank, said in ranked):
            return False
    return True


def _holds_nan(row: dict[str, Any]) -> bool:
    """Whether an answer, a rank, a rating or a weight is NaN, which Python's JSON allows."""
    rankings = row.get("rankings")
    rankings = [r for r in rankings if isinstance(r, dict)] if isinstance(rankings, list) else []
    lists = [row.get("answers"), *(r.get(name) for r in rankings for name in ("ranks", "ratings"))]
    values = [value for part in lists if isinstance(part, list) for value in part]
    values += [ranking.get("weight") for ranking in rankings]
    return any(isinstance(value, float) and math.isnan(value) for value in values)


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


def _prompt(where: str, row: dict[str, Any], heldout_percent: int) -> PromptRow:
    prompt = row.get("prompt")
    if not isinstance(prompt, list) or not prompt or not all(map(is_message, prompt)):
        raise SnapshotError(f"{where}: 'prompt' must be a list of {{role, content}} messages.")
    split = row.get("split")
    if split is None:
        split = split_of(prompt_key(prompt), heldout_percent)
    if split not in ("train", "heldout"):
        raise SnapshotError(f"{where}: 'split' is {split!r}; it must be 'train' or 'heldout'.")
    return PromptRow(id=str(row.get("id", where)), prompt=prompt, split=split)


def group_of(
    where: str,
    row: dict[str, Any],
    heldout_percent: int,
    weights: Mapping[str, float] | None = None,
) -> GroupRow:
    """The group of a row that stands `where`, with labelers' weights. Raises SnapshotError."""
    prompt = _prompt(where, row, heldout_percent)
    answers, rankings = row.get("answers"), row.get("rankings")
    if not isinstance(answers, list) or not all(isinstance(answer, str) for answer in answers):
        raise SnapshotError(f"{where}: 'answers' must be a list of texts.")
    if not isinstance(rankings, list) or not all(isinstance(r, dict) for r in rankings):
        raise SnapshotError(f"{where}: 'rankings' must be a list of {{labeler, ranks}}.")
    read = [_ranking(where, ranking, len(answers), weights or {}) for ranking in rankings]
    return GroupRow(prompt.id, prompt.prompt, prompt.split, answers, read)


def _ranking(
    where: str, ranking: dict[str, Any], count: int, weights: Mapping[str, float]
) -> LabelerRanking:
    labeler = str(ranking.get("labeler", ""))
    ranks, ratings = ranking.get("ranks"), ranking.get("ratings")
    if not isinstance(ranks, list) or not all(
        rank is None or (isinstance(rank, int) and not isinstance(rank, bool) and rank >= 1)
        for rank in ranks
    ):
        raise SnapshotError(f"{where}: 'ranks' must be a list of whole numbers from 1, or null.")
    if len(ranks) != count:
        raise SnapshotError(f"{where}: {len(ranks)} ranks for {count} answers; give one for each.")
    if ratings is not None and (
        not isinstance(ratings, list)
        or len(ratings) != count
        or not all(r is None or (_is_number(r) and 1 <= r <= 7) for r in ratings)
    ):
        raise SnapshotError(f"{where}: 'ratings' must be {count} numbers from 1 to 7.")
    weight = weights.get(labeler, ranking.get("weight", 1.0))
    if not _is_number(weight) or weight < 0:
        raise SnapshotError(f"{where}: 'weight' is {weight!r}; give a number of 0 or more.")
    if ratings is not None and None in ratings:
        ratings = None  # a margin needs a rating of every answer
    return LabelerRanking(labeler, ranks, ratings, float(weight))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_message(message: Any) -> bool:
    """Whether it is {role, content}, both texts."""
    return (
        isinstance(message, dict)
        and isinstance(message.get("role"), str)
        and isinstance(message.get("content"), str)
    )
