"""Reward models from groups, ours against TRL 1.16's RewardTrainer on the pairs.

    pip install -r requirements-bench.txt
    python bench/reward.py --model MODEL --data FOLDER [--json] [--full]
    python bench/reward.py --model MODEL --data FOLDER --heldout

The first prints groups a second and peak memory of one pass over a few groups that stand for the
set: packed rows against TRL on the exploded pairs, and against our own plain rows. The second
trains one epoch with three seeds on the shortest groups, of which there is time for more, and
prints log loss and accuracy on the shortest held-out ones; so few steps need a learning rate five
times the default. `--full` takes more groups.
"""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.comparison import (
    ROOT,
    Row,
    Runs,
    compared,
    interleaved,
    machine,
    memory_row,
    of,
    show,
)

ARMS = ("packed", "plain", "trl")
SETS = ("groups-finegrained.jsonl", "groups-oasst.jsonl")
SPEED_GROUPS = {"groups-finegrained.jsonl": 4, "groups-oasst.jsonl": 8}
EPOCH_GROUPS = {"groups-finegrained.jsonl": 24, "groups-oasst.jsonl": 48}
UNITS = {"log_loss": "nats/pair", "accuracy": "share"}
MORE = 8


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="folder of a causal LM")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--heldout", action="store_true", help="compare what is learned instead")
    parser.add_argument("--full", action="store_true", help=f"{MORE} times the groups")
    parser.add_argument("--groups", type=int, help="groups of each set")
    parser.add_argument("--heldout-groups", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=3, help="or seeds, with --heldout")
    parser.add_argument("--all-weights", action="store_true", help="no adapter")
    parser.add_argument("--groups-per-step", type=int, default=2)
    parser.add_argument("--tokens-per-batch", type=int, default=512)
    parser.add_argument("--pairs-per-pass", type=int, default=1, help="TRL's batch")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    for name in SETS:
        if not (options.data / name).is_file():
            sys.exit(f"There is no {options.data / name}: name the folder of the data with --data.")
    if not options.model.is_dir():
        sys.exit(f"There is no model folder at {options.model}: name one with --model.")
    return options


def task_of(options: argparse.Namespace, name: str, arm: str, repeat: int) -> dict[str, Any]:
    sizes = EPOCH_GROUPS if options.heldout else SPEED_GROUPS
    return {
        "groups": options.groups or sizes[name] * (MORE if options.full else 1),
        "heldout": options.heldout_groups if options.heldout else 0,
        "pairs_per_pass": options.pairs_per_pass,
        "config": {
            "snapshot": str((options.data / name).resolve()),
            "base_model": str(options.model.resolve()),
            "full": options.all_weights,
            "seed": repeat if options.heldout else 0,
            "groups_per_step": options.groups_per_step,
            "tokens_per_batch": options.tokens_per_batch,
            "learning_rate": options.learning_rate,
        },
    }


def speed_rows(name: str, runs: Runs) -> list[Row]:
    rate = {arm: [r["groups"] / r["seconds"] for r in found] for arm, found in runs.items()}
    rows = []
    for arm, peer in (("trl", "TRL pairs"), ("plain", "plain rows")):
        title = f"{name} against {peer}"
        both = rate["packed"], rate[arm]
        rows += [
            compared(f"{title}: speed", "groups/s", *both, more_is_better=True),
            memory_row(title, runs, "packed", arm),
        ]
    return rows


def heldout_rows(name: str, runs: Runs) -> list[Row]:
    return [
        compared(
            f"{name} against TRL pairs: held-out {metric.replace('_', ' ')}",
            UNITS[metric],
            of(runs, "packed", metric),
            of(runs, "trl", metric),
            more_is_better=metric == "accuracy",
        )
        for metric in UNITS
    ]


def main() -> None:
    options = parse()
    print(f"# {machine()}; {'all weights' if options.all_weights else 'adapter of rank 16'}")
    rows: list[Row] = []
    for file in SETS:
        name = file.removeprefix("groups-").removesuffix(".jsonl")
        runs = interleaved(
            ROOT / "bench" / "reward_arms.py",
            ("packed", "trl") if options.heldout else ARMS,
            options.repeats,
            partial(task_of, options, file),
        )
        first = runs["packed"][0]
        print(
            f"# {name}: {first['groups']} groups, {first['pairs']} pairs, tokens of the pairs "
            f"{first['token_ratio']:.2f} times those of packed rows"
        )
        rows += heldout_rows(name, runs) if options.heldout else speed_rows(name, runs)
    show(rows, as_json=options.json)


if __name__ == "__main__":
    main()
