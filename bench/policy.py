"""Seconds a step of the policy update: this project's RLOO against TRL's RLOOTrainer.

    pip install -r requirements-bench.txt
    python bench/policy.py --model FOLDER [--repeats 3] [--full] [--json]

Same base, adapter, prompts, answers, dtype, optimiser and schedule. Two rows each: with a reward
model that is a head on the base, as stage 3 makes it by default, and with the classifier that TRL
has, too. Heads are random: what they score does not change the work. --full takes 10 repeats.
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
from annotation.lm.loading import load_causal_lm, load_tokenizer
from bench.comparison import ROOT, Row, compared, interleaved, machine, memory_row, of, show
from rewardmodel.learning.reward.model import new_reward_model, save_reward_model
from rewardmodel.learning.reward.probe import Head, LinearProbe, Recipe


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
        classifier, probe = Path(folder, "classifier"), Path(folder, "probe")
        save_random_classifier(options.model, classifier)
        save_random_probe(options.model, probe)
        for length in options.lengths:
            task: dict[str, Any] = {
                "model": str(options.model.resolve()),
                "classifier": str(classifier),
                "probe": str(probe),
                "length": length,
                **{name: getattr(options, name) for name in ("prompts", "answers", "new_tokens")},
            }
            runs = interleaved(
                ROOT / "bench" / "policy_arms.py",
                ("probe", "classifier", "trl"),
                10 if options.full else options.repeats,
                lambda _, repeat, task=task: {**task, "seed": repeat},  # type: ignore[misc]
            )
            for ours in ("probe", "classifier"):
                name = f"prompt {length}, {ours}"
                seconds = (of(runs, arm, "seconds") for arm in (ours, "trl"))
                rows += [
                    compared(f"{name}: time", "s/step", *seconds, more_is_better=False),
                    memory_row(name, runs, ours, "trl"),
                ]
    show(rows, as_json=options.json)


def save_random_probe(base: Path, folder: Path) -> None:
    """On the mean of the layer at two thirds of the depth, and the length."""
    network = load_causal_lm(str(base), torch.float32)
    config = network.config.get_text_config()
    recipe = Recipe((config.num_hidden_layers * 2 // 3,), ("mean",))
    width = config.hidden_size + 1
    folder.mkdir()
    head = Head(recipe, torch.randn(width) / width, torch.eye(width))
    LinearProbe(network, 2048, head).save(folder, Chat(load_tokenizer(str(base))), 0.0, 1.0)


def save_random_classifier(base: Path, folder: Path) -> None:
    chat = Chat(load_tokenizer(str(base)))
    model = new_reward_model(str(base), chat, None)
    torch.nn.init.normal_(model.network.score.weight)  # type: ignore[arg-type,union-attr]
    save_reward_model(model, chat, folder, 0.0, 1.0)


if __name__ == "__main__":
    main()
