"""How long a refit of the live head takes with features that are kept: `python bench/refit.py`.

Made-up features of --groups groups of four answers, ranked by a noisy line through the third layer
read. The recipe is kept, as between two choices; what is left is the prior's strength and the fit,
and for a head that weighs tokens their pooling.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from torch import Tensor

from bench.comparison import machine
from rewardmodel.learning.reward.attention import head_with_query
from rewardmodel.learning.reward.choice import Trial, choose_head
from rewardmodel.learning.reward.feature_cache import Features
from rewardmodel.learning.reward.features import ATTENTION
from rewardmodel.learning.reward.fit_probe import attended_by
from rewardmodel.learning.reward.preferences import PreferenceTarget, preference_shares
from rewardmodel.learning.reward.probe import Recipe
from rewardmodel.learning.reward.tokens import rounded

LAYERS, HIDDEN, RANK = (5, 10, 15, 20, 25, 30), 576, 600
TOKENS = 64  # of an answer
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
        tell(recipe, took, used)
    weigh_anew(hidden, lengths, targets)


def tell(recipe: Recipe, took: float, used: float) -> None:
    print(f"{recipe.name:<36} {took:5.2f} s, {used:5.2f} s of processor time", flush=True)


def weigh_anew(
    hidden: Sequence[Tensor], lengths: Sequence[Tensor], targets: Sequence[PreferenceTarget]
) -> None:
    """A head that weighs the tokens of answers, TOKENS each, with the query that it has."""
    recipe, query = Recipe((15,), (ATTENTION,)), torch.randn(HIDDEN) / HIDDEN**0.5
    tokens = [
        rounded([each + torch.randn(TOKENS, HIDDEN) for each in group[:, 2, 0]]) for group in hidden
    ]
    features = [Features(*each) for each in zip(hidden, lengths, strict=True)]
    began, busy = time.perf_counter(), time.process_time()
    head_with_query(
        query, Trial(recipe, 1.0, 0.0, None), 1.0, attended_by(query, tokens, features), targets
    )
    tell(recipe, time.perf_counter() - began, time.process_time() - busy)


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
