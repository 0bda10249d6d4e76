"""Other heads on the same features: `python bench/heads.py --model FOLDER --answered FILE`.

Every arm reads what the chosen head reads, learns from the same rankings, has its prior's strength
chosen on the same folds, and one temperature fitted on them, with the same caution. What differs:

`chosen`       Bradley and Terry's pairs (what `train_reward.py` does)
`listwise`     Plackett and Luce's order, of tied answers each in turn as the next (Breslow 1974)
`ridge`        least squares on each answer's mean place within its group
`moderated`    `chosen`, each pair less sure by its posterior variance (MacKay 1992)
`ensemble`     the mean of ten heads' probabilities, each with rankings weighed by chance and a
               prior around weights drawn from it (arXiv 1806.03335)
`kernel`       a Gaussian process: an RBF kernel, as wide as the median distance of two answers
`unlabelled`   each feature's scale from all answers of the pool, most of them never ranked
`whitened`     the 64 widest directions of the pool's answers, each of the same scale

By default five scripted teachers rank; with --people a file of ranked groups. Each cell is
accuracy, log loss and calibration error on held-out strict pairs, the median over seeds.
"""

import argparse
import json
import math
import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from torch import Tensor

from bench.comparison import machine
from bench.few_labels import (
    ANSWERS,
    CONFIG,
    Read,
    answered,
    arguments,
    drawn,
    head_of,
    rank,
    read_all,
)
from bench.head_arms import ARMS, Split
from rewardmodel.learning.core.snapshot import read_groups
from rewardmodel.learning.core.snapshot_rows import GroupRow
from rewardmodel.learning.reward.choice import folds_of
from rewardmodel.learning.reward.preferences import preference_target
from rewardmodel.learning.reward.probe import Recipe, chosen_features
from rewardmodel.rehearsal.teachers import find_teacher


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.set_defaults(groups=440, budgets=[25, 50, 100])
    parser.add_argument("--arms", nargs="+", default=list(ARMS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"# {machine()}")
    if options.people:
        rows = read_groups(options.people, 0).train[: options.groups]
        compare(options.people.stem, read_all(options.model, rows), options)
        return
    rows = answered(options.model, options.prompts, options.answered, options.groups)
    first = [GroupRow(r.id, r.prompt, "train", r.answers[:ANSWERS], []) for r in rows]
    read = read_all(options.model, first)
    for name in options.teachers:
        teacher = find_teacher(f"rewardmodel.rehearsal.teachers:{name}")
        ranked = [rank(row, teacher) for row in read.rows]
        compare(name, replace(read, rows=ranked), options)


def compare(name: str, read: Read, options: argparse.Namespace) -> None:
    """Prints a line for each budget of groups and arm."""
    useful = [i for i, row in enumerate(read.rows) if len(set(row.rankings[0].ranks)) > 1]
    for budget in options.budgets:
        found: dict[str, list[tuple[float, float, float]]] = {}
        for seed in range(options.seeds):
            places = drawn([read.rows[i] for i in useful], options.heldout, budget, seed)
            learned, test = ([useful[i] for i in own] for own in places)
            if len(learned) < budget:
                break
            held = {json.dumps(read.rows[i].prompt) for i in test}
            pool = [i for i, row in enumerate(read.rows) if json.dumps(row.prompt) not in held]
            recipe = head_of(read, learned).head.recipe
            split = split_of(read, recipe, learned, test, pool)
            for arm in options.arms:
                torch.manual_seed(seed)
                found.setdefault(arm, []).append(judged(ARMS[arm](split, recipe), split.rows))
        for arm, figures in found.items():
            print(f"{name:<20} {budget:>4} {arm:<12} {medians(figures)}", flush=True)


def medians(figures: Sequence[Sequence[float]]) -> str:
    """Of each figure over the draws."""
    return " / ".join(f"{statistics.median(each):.3f}" for each in zip(*figures, strict=True))


def split_of(
    read: Read, recipe: Recipe, learned: Sequence[int], test: Sequence[int], pool: Sequence[int]
) -> Split:
    def features(groups: Sequence[int]) -> list[Tensor]:
        return [
            chosen_features(recipe, read.layers, read.hidden[i], read.lengths[i]).double()
            for i in groups
        ]

    every = torch.cat([each - each.mean(0) for each in features(pool)])
    targets = [preference_target(read.rows[i], CONFIG, torch.device("cpu")) for i in learned]
    folds = folds_of([json.dumps(read.rows[i].prompt) for i in learned])
    rows = [read.rows[i] for i in test]
    return Split(features(learned), features(test), every, targets, rows, folds)


def judged(chances: Sequence[Tensor], rows: Sequence[GroupRow]) -> tuple[float, float, float]:
    """Accuracy, log loss and calibration error in ten bins, over strict pairs."""
    said = []
    for chance, row in zip(chances, rows, strict=True):
        for ranking in row.rankings:
            ranks = torch.tensor([math.nan if r is None else float(r) for r in ranking.ranks])
            said.append(chance[ranks[:, None] < ranks[None, :]])
    p = torch.cat(said)
    right = (p > 0.5).double() + 0.5 * (p == 0.5).double()
    sure = torch.maximum(p, 1 - p)
    place = ((sure - 0.5) * 20).long().clamp(max=9)
    error = sum(abs(float((sure - right)[place == n].sum())) for n in range(10)) / len(p)
    return float(right.mean()), float(-p.clamp(min=1e-12).log().mean()), error


if __name__ == "__main__":
    main()
