"""A set for `manage.py evaluate`, out of ranked groups: `python bench/evaluation_set.py FILE ...`.

Each group whose prompt is held out becomes an item in the shape of RewardBench 2: its best answer
against at most three of the others, which are drawn by the seed. Where several answers are best the
item is one of Ties, with all of them. --each bounds how many items a file gives.
"""

import argparse
import json
import random
import sys
from dataclasses import asdict
from pathlib import Path

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from rewardmodel.learning.core.row_report import row_sentence
from rewardmodel.learning.reward.evaluation_items import read_items

REJECTED = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", type=Path, nargs="+", help="ranked groups, JSON Lines")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--heldout-percent", type=int, help="as in training; default: all prompts")
    parser.add_argument("--each", type=int, help="at most so many items of each file")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    generator, lines = random.Random(options.seed), []
    for path in options.files:
        items, skipped = read_items(path, options.heldout_percent)
        print(f"{path.name}: {row_sentence('groups', len(items), skipped, {})}")
        generator.shuffle(items)
        for item in items[: options.each]:
            count = min(REJECTED, len(item.rejected))
            rejected = generator.sample(item.rejected, count)
            row = {**asdict(item), "id": f"{path.stem}-{item.id}", "rejected": rejected}
            lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    options.output.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
