"""How long a refit of the live head takes with features that are kept: `python bench/refit.py`.

Made-up features of --groups groups of four answers, ranked by a noisy line through the third layer
read. The recipe is kept, as between two choices; what is left is the prior's strength and the fit.
"""

import argparse
import os
import sys
import time
from pathlib import Path

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from torch import Tensor

from bench.comparison import machine
from rewardmodel.learning.reward.choice import choose_head
from rewardmodel.learning.reward.preferences import PreferenceTarget, preference_shares
from rewardmodel.learning.reward.probe import Recipe

LAYERS, HIDDEN, RANK = (5, 10, 15, 20, 25, 30), 576, 600
RECIPES = (
    Recipe((15,), ("mean",)),
    Recipe((15,), ("mean", "end")),
    Recipe((10, 15), ("mean", "end")),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--groups", type=int, default=1000)
    groups = parser.parse_args().groups
    print(f"# {machine()}")
    hidden, lengths, targets = made_up(groups)
    prompts = [str(number) for number in range(groups)]
    for recipe in RECIPES:
        chosen = choose_head(hidden, LAYERS, lengths, targets, prompts, [recipe])
        near = chosen.trials[0].spread
        began, busy = time.perf_counter(), time.process_time()
        choose_head(hidden, LAYERS, lengths, targets, prompts, [recipe], near)
        took, used = time.perf_counter() - began, time.process_time() - busy
        print(f"{recipe.name:<36} {took:5.2f} s, {used:5.2f} s of processor time", flush=True)


def made_up(groups: int) -> tuple[list[Tensor], list[Tensor], list[PreferenceTarget]]:
    """Features whose directions are ever narrower, as a language model's are."""
    torch.manual_seed(0)
    mix = torch.randn(RANK, HIDDEN) * torch.logspace(0, -2, RANK)[:, None]
    line = torch.randn(HIDDEN)
    hidden, lengths, targets = [], [], []
    for _ in range(groups):
        read = torch.randn(4, len(LAYERS), 2, RANK) @ mix
        utility = read[:, 2, 0] @ line / 4 + torch.randn(4)
        ranks = (utility[None] > utility[:, None]).sum(1).add(1).tolist()
        shares = preference_shares([ranks])
        hidden.append(read)
        lengths.append(torch.rand(4) + 3)
        targets.append(PreferenceTarget(shares, torch.zeros_like(shares), 1.0))
    return hidden, lengths, targets


if __name__ == "__main__":
    main()
