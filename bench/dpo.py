"""Groups a second and held-out loss of learning straight from rankings, ours against TRL 1.16's
DPOTrainer on the same pairs.

    pip install -r requirements-bench.txt
    python bench/dpo.py --model MODEL --data DATA/groups-oasst.jsonl [--repeats 3] [--json]

Same base, adapter, tokens, optimiser, batch and schedule; TRL takes one pair a pass, which pads
least. By default the groups stand for the set; --shortest takes those with the fewest tokens, of
which there is time for more.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.comparison import ROOT, compared, interleaved, machine, memory_row, of, show

ARMS = ("laoshi", "trl")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="folder of a chat model")
    parser.add_argument("--data", type=Path, required=True, help="ranked groups, one a line")
    parser.add_argument("--groups", type=int, default=8)
    parser.add_argument("--heldout-groups", type=int, default=8)
    parser.add_argument("--shortest", action="store_true")
    parser.add_argument("--repeats", type=int, default=3, help="each with a seed of its own")
    parser.add_argument("--groups-per-step", type=int, default=2)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> None:
    options = parse()
    rate = {} if options.learning_rate is None else {"dpo_learning_rate": options.learning_rate}
    task: dict[str, Any] = {
        **{name: getattr(options, name) for name in ("groups", "heldout_groups", "shortest")},
        "config": {
            "snapshot": str(options.data.resolve()),
            "base_model": str(options.model.resolve()),
            "groups_per_step": options.groups_per_step,
            **rate,
        },
    }
    print(f"# {machine()}; {options.groups} groups, {options.groups_per_step} a step")
    runs = interleaved(
        ROOT / "bench" / "dpo_arms.py",
        ARMS,
        options.repeats,
        lambda _, repeat: {**task, "config": {**task["config"], "seed": repeat}},
    )
    speeds = ([r["groups"] / r["seconds"] for r in runs[arm]] for arm in ARMS)
    losses = (of(runs, arm, "log_loss") for arm in ARMS)
    rows = [
        compared("speed", "groups/s", *speeds, more_is_better=True),
        memory_row("training", runs, *ARMS),
        compared("held-out log loss", "nats/pair", *losses, more_is_better=False),
    ]
    show(rows, as_json=options.json)


if __name__ == "__main__":
    main()
