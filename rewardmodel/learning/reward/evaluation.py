"""How often a reward model finds the answer that people chose, as RewardBench 2 counts it.

Definitions are those of arXiv 2506.01937 and its code (allenai/reward-bench, rewardbench/utils.py):
best-of-4 accuracy, and for prompts with several good answers the score of the Ties subset.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from annotation.exchange.split import prompt_key
from annotation.lm.loading import default_device
from rewardmodel.learning.core.bootstrap import RESAMPLES, TAIL, interval
from rewardmodel.learning.core.snapshot import naming
from rewardmodel.learning.reward.evaluation_items import Item
from rewardmodel.learning.reward.plain import PlainClassifier
from rewardmodel.learning.reward.probe import is_probe
from rewardmodel.learning.reward.scorer import RewardScorer

Scores = Sequence[Sequence[float]]
GUESSES = 200
"""Random scores of which the mean is what chance reaches in Ties."""
TERMS = ("tied_accuracy", "reference_accuracy", "margin", "margin_with_reference", "tie_break")
WEIGHTS = np.array([0.3, 0.3, 0.2, 0.2, 0.01])
TIE_BREAK = 4  # the place of the term that comes on top


@dataclass(frozen=True)
class Result:
    """Of one subset: its score with a 95 % bootstrap interval over prompts, and what is reached by
    chance and by the shorter or the longer answer (in characters); `terms` of Ties alone."""

    subset: str
    items: int
    score: float
    low: float
    high: float
    chance: float
    shorter: float
    longer: float
    terms: dict[str, float | None] | None = None


@dataclass(frozen=True)
class Evaluation:
    """By subset, and the means over subsets, each counting the same."""

    subsets: list[Result]
    items: int
    score: float
    chance: float
    shorter: float
    longer: float


def score_items(
    folder: str, items: Sequence[Item], tokens: int, tell: Callable[[int], None]
) -> list[list[float]]:
    """Raw scores of each item's answers by a reward model of either kind, or any classifier with
    one label. Raises PolicyUnavailable, and SnapshotError where a template refuses an item."""
    scorer: RewardScorer | PlainClassifier
    if is_probe(folder) or _has_scale(folder):
        scorer = RewardScorer(folder, default_device())
    else:
        scorer = PlainClassifier(folder, default_device())
    scores = []
    for number, item in enumerate(items, start=1):
        with naming("Item", item.id):
            [found] = scorer.raw_scores([(item.prompt, item.answers)], tokens)
        scores.append(found.tolist())
        tell(number)
    return scores


def _has_scale(folder: str) -> bool:
    """Whether the classifier is one of stage 3, which names the mean of its scores."""
    try:
        return "reward_mean" in json.loads(Path(folder, "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def evaluate(items: Sequence[Item], scores: Scores) -> Evaluation:
    """`scores` are of each item's answers, the chosen ones first."""
    by_subset: dict[str, list[int]] = {}
    for place, item in enumerate(items):
        by_subset.setdefault(item.subset, []).append(place)
    results = []
    for places in by_subset.values():
        own = [items[i] for i in places]
        judge = ties_result if own[0].is_tie else best_result
        results.append(judge(own, [scores[i] for i in places]))
    means = {
        name: float(np.mean([getattr(each, name) for each in results]))
        for name in ("score", "chance", "shorter", "longer")
    }
    return Evaluation(results, len(items), **means)


def best_result(items: Sequence[Item], scores: Scores) -> Result:
    """Accuracy: the mean of `points`."""
    found = np.array([points(each) for each in scores])
    low, high = _by_prompt(items, found)
    return Result(
        subset=items[0].subset,
        items=len(items),
        score=float(found.mean()),
        low=low,
        high=high,
        chance=float(np.mean([1 / len(item.answers) for item in items])),
        shorter=float(np.mean([points(each) for each in by_length(items, -1)])),
        longer=float(np.mean([points(each) for each in by_length(items, 1)])),
    )


def points(scores: Sequence[float]) -> float:
    """1 where the first answer, the chosen one, scores highest; shared where several do."""
    highest = max(scores)
    return 1 / list(scores).count(highest) if scores[0] == highest else 0.0


def _by_prompt(items: Sequence[Item], found: NDArray[np.float64]) -> tuple[float, float]:
    """The interval of the mean, prompts resampled with all of their items."""
    names = [prompt_key(item.prompt) for item in items]
    _, places = np.unique(names, return_inverse=True)
    weights = (found, np.ones_like(found))
    sums, counts = (np.bincount(places, weights=each).astype(np.float64) for each in weights)
    return interval(sums, counts)


def by_length(items: Sequence[Item], sign: int) -> list[list[float]]:
    """The characters of answers as their scores; the longer are the better with `sign` 1."""
    return [[sign * float(len(answer)) for answer in item.answers] for item in items]


def ties_result(items: Sequence[Item], scores: Scores) -> Result:
    """The weighted score of accuracy and margins; see `ties_table`."""
    table = ties_table(items, scores)
    low, high = _ties_interval(table)
    random = np.random.default_rng(0)
    guesses = [
        [random.normal(size=len(item.answers)).tolist() for item in items] for _ in range(GUESSES)
    ]
    return Result(
        subset=items[0].subset,
        items=len(items),
        score=ties_score(table),
        low=low,
        high=high,
        chance=float(np.mean([ties_score(ties_table(items, each)) for each in guesses])),
        shorter=ties_score(ties_table(items, by_length(items, -1))),
        longer=ties_score(ties_table(items, by_length(items, 1))),
        terms={
            name: None if np.isnan(term).all() else float(np.nanmean(term))
            for name, term in zip(TERMS, table.T, strict=True)
        },
    )


def ties_table(items: Sequence[Item], scores: Scores) -> NDArray[np.float64]:
    """[prompts, TERMS]: a tied item with its reference, which has one chosen answer; NaN where the
    one or the other is not there.

    An item is right where every chosen answer scores above every rejected one, by a gap. The
    margin is right where the gap is larger than the spread of the chosen answers; with the
    reference the smaller of both gaps has to be; the tie-break is tanh(gap / spread - 1) of that.
    """
    spreads: dict[str, float] = {}
    gaps: dict[str, dict[bool, float]] = {}
    for item, each in zip(items, scores, strict=True):
        chosen, rejected = each[: len(item.chosen)], each[len(item.chosen) :]
        tie, is_tied = item.in_ties
        gaps.setdefault(tie, {})[is_tied] = min(chosen) - max(rejected)
        if is_tied:
            spreads[tie] = max(chosen) - min(chosen)
    table = np.full((len(gaps), len(TERMS)), np.nan)
    for row, (tie, gap) in zip(table, gaps.items(), strict=True):
        if True in gap:
            row[0], row[2] = gap[True] > 0, gap[True] > spreads[tie]
        if False in gap:
            row[1] = gap[False] > 0
        if len(gap) == 2:
            smaller, spread = min(gap.values()), spreads[tie]
            row[3] = smaller > spread
            row[4] = np.tanh(smaller / spread - 1) if spread else float(np.sign(smaller))
    return table


def ties_score(table: NDArray[np.float64]) -> float:
    """The means of TERMS by WEIGHTS. Without any reference the terms that need one are left out,
    and the others' weights grow to 1."""
    known = [place for place in range(len(TERMS)) if not np.isnan(table[:, place]).all()]
    means = np.nanmean(table[:, known], axis=0)
    total = sum(WEIGHTS[place] for place in known if place < TIE_BREAK)
    return float((means * WEIGHTS[known]).sum() / total)


def _ties_interval(table: NDArray[np.float64]) -> tuple[float, float]:
    draws = np.random.default_rng(0).integers(len(table), size=(RESAMPLES, len(table)))
    found = [ties_score(table[draw]) for draw in draws]
    low, high = np.percentile(found, [TAIL, 100 - TAIL])
    return float(low), float(high)
