"""Seconds a step of the policy update: this project's RLOO against TRL's RLOOTrainer.

    pip install -r requirements-bench.txt
    python bench/policy.py --model FOLDER [--repeats 3] [--full] [--json]

Same base, reward model, adapter, prompts, answers, dtype, optimiser and schedule. The reward model
has a random head: what it scores does not change the work. --full takes 10 repeats.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch

from annotation.lm.chat import Chat
from annotation.lm.loading import load_tokenizer
from bench.comparison import ROOT, Row, compared, interleaved, machine, memory_row, of, show
from rewardmodel.learning.reward.model import new_reward_model, save_reward_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="folder of a chat model")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--prompts", type=int, default=4)
    parser.add_argument("--answers", type=int, default=4)
    parser.add_argument("--lengths", type=int, nargs="+", default=[110, 700], help="tokens")
    parser.add_argument("--new-tokens", type=int, default=48)
    parser.add_argument("--full", action="store_true", help="10 repeats")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    print(f"# {machine()}; {options.prompts} x {options.answers} x {options.new_tokens} tokens")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        reward_model = Path(folder, "reward")
        save_random_reward_model(options.model, reward_model)
        for length in options.lengths:
            task: dict[str, Any] = {
                "model": str(options.model.resolve()),
                "reward_model": str(reward_model),
                "length": length,
                **{name: getattr(options, name) for name in ("prompts", "answers", "new_tokens")},
            }
            runs = interleaved(
                ROOT / "bench" / "policy_arms.py",
                ("laoshi", "trl"),
                10 if options.full else options.repeats,
                lambda _, repeat, task=task: {**task, "seed": repeat},  # type: ignore[misc]
            )
            name = f"prompt {length}"
            seconds = (of(runs, arm, "seconds") for arm in ("laoshi", "trl"))
            rows += [
                compared(f"{name}: time", "s/step", *seconds, more_is_better=False),
                memory_row(name, runs, "laoshi", "trl"),
            ]
    show(rows, as_json=options.json)


def save_random_reward_model(base: Path, folder: Path) -> None:
    chat = Chat(load_tokenizer(str(base)))
    model = new_reward_model(str(base), chat, None)
    torch.nn.init.normal_(model.network.score.weight)  # type: ignore[arg-type,union-attr]
    save_reward_model(model, chat, folder, 0.0, 1.0)


if __name__ == "__main__":
    main()
