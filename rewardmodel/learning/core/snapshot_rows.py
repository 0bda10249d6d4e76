"""One row of a snapshot, checked: a prompt, a ranked group, a demonstration.

What is wrong with one is a SnapshotError that names file and line.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from annotation.exchange.split import Split, prompt_key, split_of
from annotation.exchange.wording import Unreadable, gettext_noop
from annotation.lm.chat import Message


class SnapshotError(Unreadable):
    """A snapshot that cannot be used; the sentence says where and why."""


TURNS = gettext_noop("{where}: 'messages' must be a list of two or more messages.")
LAST_TURN = gettext_noop("{where}: the last message must be the assistant's answer.")
PROMPT = gettext_noop("{where}: 'prompt' must be a list of {{role, content}} messages.")
SPLIT = gettext_noop("{where}: 'split' is {split}; it must be 'train' or 'heldout'.")
ANSWERS = gettext_noop("{where}: 'answers' must be a list of texts.")
RANKINGS = gettext_noop("{where}: 'rankings' must be a list of {{labeler, ranks}}.")
RANKS = gettext_noop("{where}: 'ranks' must be a list of whole numbers from 1, or null.")
COUNT = gettext_noop("{where}: {ranks} ranks for {answers} answers; give one for each.")
RATINGS = gettext_noop("{where}: 'ratings' must be {answers} numbers from 1 to 7.")
WEIGHT = gettext_noop("{where}: 'weight' is {weight}; give a number of 0 or more.")


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
    """A prompt, its K answers, what each labeler said of them, and, where the file says, the number
    of the policy version that wrote each: [K], or empty."""

    answers: list[str]
    rankings: list[LabelerRanking]
    policies: Sequence[int | None] = ()

    @property
    def asked(self) -> tuple[list[Message], list[str]]:
        """Prompt and answers, as whoever reads or judges them takes them."""
        return self.prompt, self.answers

    @property
    def counted(self) -> list[LabelerRanking]:
        """The rankings of labelers whose word counts."""
        return [ranking for ranking in self.rankings if ranking.weight > 0]


@dataclass(frozen=True)
class DemonstrationRow(PromptRow):
    """A prompt and the answer to learn."""

    answer: str


def prompt_of(where: str, row: dict[str, Any], heldout_percent: int) -> PromptRow:
    """The prompt of a row that stands `where`. Raises SnapshotError."""
    prompt = row.get("prompt")
    if not isinstance(prompt, list) or not prompt or not all(map(is_message, prompt)):
        raise SnapshotError(PROMPT, where=where)
    split = row.get("split")
    if split is None:
        split = split_of(prompt_key(prompt), heldout_percent)
    if split not in ("train", "heldout"):
        raise SnapshotError(SPLIT, where=where, split=repr(split))
    return PromptRow(id=str(row.get("id", where)), prompt=prompt, split=split)


def demonstration_of(where: str, row: dict[str, Any], heldout_percent: int) -> DemonstrationRow:
    """A conversation whose last message is the answer. Raises SnapshotError."""
    messages = row.get("messages")
    if not isinstance(messages, list) or len(messages) < 2:
        raise SnapshotError(TURNS, where=where)
    prompt = prompt_of(where, {**row, "prompt": messages[:-1]}, heldout_percent)
    if not is_message(messages[-1]) or messages[-1]["role"] != "assistant":
        raise SnapshotError(LAST_TURN, where=where)
    return DemonstrationRow(prompt.id, prompt.prompt, prompt.split, messages[-1]["content"])


def group_of(
    where: str,
    row: dict[str, Any],
    heldout_percent: int,
    weights: Mapping[str, float] | None = None,
) -> GroupRow:
    """The group of a row that stands `where`, with labelers' weights. Raises SnapshotError.

    Held-out figures are of what people say by themselves: rankings of who had read before what the
    teacher model expected are left out of a held-out group.
    """
    prompt = prompt_of(where, row, heldout_percent)
    answers, rankings = row.get("answers"), row.get("rankings")
    if not isinstance(answers, list) or not all(isinstance(answer, str) for answer in answers):
        raise SnapshotError(ANSWERS, where=where)
    if not isinstance(rankings, list) or not all(isinstance(r, dict) for r in rankings):
        raise SnapshotError(RANKINGS, where=where)
    if prompt.split == "heldout":
        rankings = [said for said in rankings if said.get("informed") is not True]
    read = [_ranking(where, ranking, len(answers), weights or {}) for ranking in rankings]
    return GroupRow(
        prompt.id, prompt.prompt, prompt.split, answers, read, _policies(row, len(answers))
    )


def _policies(row: dict[str, Any], count: int) -> list[int | None]:
    """As the row's `sources` name them; none where they do not fit, as training needs them not."""
    sources = row.get("sources")
    if not isinstance(sources, list) or len(sources) != count:
        return []
    named = [source.get("policy") if isinstance(source, dict) else None for source in sources]
    return [number if type(number) is int else None for number in named]


def _ranking(
    where: str, ranking: dict[str, Any], count: int, weights: Mapping[str, float]
) -> LabelerRanking:
    labeler = str(ranking.get("labeler", ""))
    ranks, ratings = ranking.get("ranks"), ranking.get("ratings")
    if not isinstance(ranks, list) or not all(
        rank is None or (isinstance(rank, int) and not isinstance(rank, bool) and rank >= 1)
        for rank in ranks
    ):
        raise SnapshotError(RANKS, where=where)
    if len(ranks) != count:
        raise SnapshotError(COUNT, where=where, ranks=len(ranks), answers=count)
    if ratings is not None and (
        not isinstance(ratings, list)
        or len(ratings) != count
        or not all(r is None or (_is_number(r) and 1 <= r <= 7) for r in ratings)
    ):
        raise SnapshotError(RATINGS, where=where, answers=count)
    weight = weights.get(labeler, ranking.get("weight", 1.0))
    if not _is_number(weight) or weight < 0:
        raise SnapshotError(WEIGHT, where=where, weight=repr(weight))
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


def unusable(group: GroupRow) -> str | None:
    """Why nothing can be learned from it; None where something can."""
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


def holds_nan(row: dict[str, Any]) -> bool:
    """Whether an answer, a rank, a rating or a weight is NaN, which Python's JSON allows."""
    rankings = row.get("rankings")
    rankings = [r for r in rankings if isinstance(r, dict)] if isinstance(rankings, list) else []
    lists = [row.get("answers"), *(r.get(name) for r in rankings for name in ("ranks", "ratings"))]
    values = [value for part in lists if isinstance(part, list) for value in part]
    values += [ranking.get("weight") for ranking in rankings]
    return any(isinstance(value, float) and math.isnan(value) for value in values)
