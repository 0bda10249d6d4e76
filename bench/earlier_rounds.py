"""What the rankings of an earlier round are worth: `python bench/earlier_rounds.py --model FOLDER`.

--groups is a snapshot whose first --earlier lines are of an earlier round (`bench/follow.py --keep`
leaves one, of 100 each). The newer ones are judged in four folds: each is learned from the rest of
them, and from the earlier ones, whose rankings count --weights; 0 leaves them out.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from bench.comparison import machine
from rewardmodel.learning.configs import RewardConfig
from rewardmodel.learning.core.snapshot import PreferenceData, read_groups
from rewardmodel.learning.core.snapshot_rows import GroupRow
from rewardmodel.learning.reward.attention import best_mean
from rewardmodel.learning.reward.fit_probe import ReadGroups, load_backbone, read_groups_with
from rewardmodel.learning.reward.metrics import PreferenceMetrics, metrics_of

FOLDS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", required=True, help="folder of a chat model")
    parser.add_argument("--groups", type=Path, required=True, help="JSON Lines")
    parser.add_argument("--earlier", type=int, default=100)
    parser.add_argument("--weights", type=float, nargs="+", default=[1.0, 0.5, 0.25, 0.0])
    options = parser.parse_args()
    print(f"# {machine()}", flush=True)
    config = RewardConfig(snapshot="", base_model=options.model, output="")
    lines = options.groups.read_text(encoding="utf-8").splitlines()
    earlier = {json.loads(line)["id"] for line in lines[: options.earlier]}
    found = read_groups(options.groups, 0)
    rows = [*found.train, *found.heldout]
    backbone = load_backbone(config, torch.device("cpu"))
    read = read_groups_with(backbone, config, PreferenceData(train=rows))
    is_earlier = [row.id in earlier for row in rows]
    for weight in options.weights:
        judged = metrics_with(weight, read, rows, is_earlier)
        print(
            f"weight {weight}: accuracy {judged.accuracy:.3f}, log loss {judged.log_loss:.3f}, "
            f"{judged.pairs} pairs",
            flush=True,
        )


def metrics_with(
    weight: float, read: ReadGroups, rows: Sequence[GroupRow], is_earlier: Sequence[bool]
) -> PreferenceMetrics:
    """Of the newer groups, each judged by a head that did not see it."""
    weighed = [
        weighted(row, weight) if early else row for row, early in zip(rows, is_earlier, strict=True)
    ]
    read = replace(read, rows=PreferenceData(train=weighed))
    older = [place for place, early in enumerate(is_earlier) if early and weight]
    newer = [place for place, early in enumerate(is_earlier) if not early]
    scores, judged = [], []
    for fold in range(FOLDS):
        held = newer[fold::FOLDS]
        groups = sorted({*older, *newer} - {*held})
        choice = read.choice(groups)
        choice = read.attending(choice, groups, best_mean(choice.trials))
        found = read.scores(choice.head).train
        scores += [found[place] for place in held]
        judged += [rows[place] for place in held]
    return metrics_of(scores, judged)


def weighted(row: GroupRow, weight: float) -> GroupRow:
    return replace(row, rankings=[replace(each, weight=weight) for each in row.rankings])


if __name__ == "__main__":
    main()
