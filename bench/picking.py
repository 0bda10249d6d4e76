"""What it is worth in labels to pick what is ranked: `python bench/picking.py --model FOLDER`.

The model draws 12 answers to each prompt, of which a scripted teacher ranks four. Arms:
`chance` picks four at random; `telling` those whose ranking tells most, by a head fitted anew to
all rankings after every --every of them; `telling first` picks the prompts, too: of three times as
many as are needed next, those whose four tell most. The first --every rankings are chance's, in all
arms. All are judged by the same head's accuracy and log loss on four random answers to each of the
held-out prompts. Each row is the median over seeds, with the least and the most.
"""

import argparse
import os
import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from bench.comparison import machine
from bench.few_labels import (
    ANSWERS,
    TEACHERS,
    Read,
    answered,
    head_of,
    judged,
    rank,
    read_all,
    shown,
)
from rewardmodel.learning.core.snapshot_rows import GroupRow, LabelerRanking
from rewardmodel.learning.reward.choice import Choice
from rewardmodel.learning.reward.information import choice_variances, most_telling
from rewardmodel.learning.reward.metrics import PreferenceMetrics
from rewardmodel.learning.reward.probe import chosen_features
from rewardmodel.rehearsal.teachers import find_teacher

ARMS = ("chance", "telling", "telling first")
DRAWN = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", required=True, help="folder of a chat model")
    parser.add_argument("--prompts", type=Path, nargs="+", help="JSON Lines, as in shared/data")
    parser.add_argument("--answered", type=Path, help="where the model's answers are kept")
    parser.add_argument("--groups", type=int, default=330)
    parser.add_argument("--heldout", type=int, default=100)
    parser.add_argument("--rankings", type=int, default=100)
    parser.add_argument("--every", type=int, default=25)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--teachers", nargs="+", default=TEACHERS)
    options = parser.parse_args()
    print(f"# {machine()}")
    rows = answered(options.model, options.prompts, options.answered, options.groups, DRAWN)
    read = read_all(options.model, [row for row in rows if len(row.answers) == DRAWN])
    for name in options.teachers:
        teacher = find_teacher(f"rewardmodel.rehearsal.teachers:{name}")
        ranked = [rank(row, teacher) for row in read.rows]
        compare(name, replace(read, rows=ranked), options)


def compare(name: str, read: Read, options: argparse.Namespace) -> None:
    """Prints a table: a line for each number of rankings."""
    budgets = range(options.every, options.rankings + 1, options.every)
    found: dict[tuple[str, int], list[PreferenceMetrics]] = {}
    for seed in range(options.seeds):
        order = random.Random(seed).sample(range(len(read.rows)), len(read.rows))
        held, pool = order[: options.heldout], order[options.heldout :]
        chance = random.Random(seed)
        test = of_groups(read, [(i, by_chance(chance)) for i in held])
        for arm in ARMS:
            for budget, metrics in learned(arm, read, pool, test, budgets, seed):
                found.setdefault((arm, budget), []).append(metrics)
    print(f"\n{name}\n{'rankings':>8}" + "".join(f"{arm:>40}" for arm in ARMS))
    for budget in budgets:
        cells = (shown(found[arm, budget]) for arm in ARMS)
        print(f"{budget:>8}" + "".join(f"{cell:>40}" for cell in cells), flush=True)


def learned(
    arm: str, read: Read, pool: Sequence[int], test: Read, budgets: range, seed: int
) -> list[tuple[int, PreferenceMetrics]]:
    """The held-out figures after each budget of rankings, ties of all four among them."""
    chance = random.Random(seed)
    left, picked = list(pool), list[tuple[int, list[int]]]()
    choice: Choice | None = None
    found = []
    for budget in budgets:
        wanted = budget - len(picked)
        candidates = left[: 3 * wanted]
        if choice is None or arm == "chance":
            new = [(i, by_chance(chance)) for i in candidates[:wanted]]
        else:
            told = [(i, *telling(choice, read, i)) for i in candidates]
            if arm == "telling first":
                told.sort(key=lambda each: -each[2])
            new = [(i, places) for i, places, _ in told[:wanted]]
        picked += new
        taken = {i for i, _ in new}
        left = [i for i in left if i not in taken]
        own = of_groups(read, picked)
        choice = head_of(own, [i for i, row in enumerate(own.rows) if tells(row)])
        every = range(len(test.rows))
        found.append((budget, judged(test, [i for i in every if tells(test.rows[i])], choice)))
    return found


def by_chance(chance: random.Random) -> list[int]:
    return chance.sample(range(DRAWN), ANSWERS)


def telling(choice: Choice, read: Read, group: int) -> tuple[list[int], float]:
    """The four answers of a group whose ranking tells most, and how much their pairs vary."""
    features = chosen_features(
        choice.head.recipe, read.layers, read.hidden[group], read.lengths[group]
    )
    variances = choice_variances(choice.head, features)
    places = most_telling(variances, ANSWERS)
    return places, float(variances[places][:, places].sum())


def tells(row: GroupRow) -> bool:
    return len(set(row.rankings[0].ranks)) > 1


def of_groups(read: Read, picked: Sequence[tuple[int, list[int]]]) -> Read:
    """Groups of the picked answers alone."""
    rows = []
    for group, places in picked:
        row = read.rows[group]
        ranks = LabelerRanking("teacher", [row.rankings[0].ranks[place] for place in places])
        said = [row.answers[place] for place in places]
        rows.append(GroupRow(row.id, row.prompt, "train", said, [ranks]))
    return replace(
        read,
        rows=rows,
        hidden=[read.hidden[group][places] for group, places in picked],
        lengths=[read.lengths[group][places] for group, places in picked],
    )


if __name__ == "__main__":
    main()
