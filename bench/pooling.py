"""Learned poolings of an answer's tokens: `python bench/pooling.py --model FOLDER --answered FILE`.

Each arm reads the tokens of one layer, the one whose mean has the least log loss on the folds, and
the length, from the same rankings. What differs is how tokens become a score:

`mean`       their mean (one of the recipes that `train_reward.py` tries)
`attention`  their sum, weighted by a softmax over a learned direction
`gate`       the mean of the tokens' own scores, each weighted by a learned gate (arXiv 2505.12225)
`folds`      of these three, what has the least log loss on the folds

Attention and gates begin where they are the mean, at its weights, and are fitted together with
them; the strength of their prior is chosen on the same folds, the temperature as for all heads.
Each cell is accuracy, log loss and calibration error on held-out strict pairs, the median over
seeds.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from torch import Tensor

from annotation.lm.chat import Chat
from annotation.lm.cpu_linear import use_onednn
from annotation.lm.loading import load_causal_lm, load_tokenizer
from bench.comparison import machine
from bench.few_labels import CONFIG, answered, arguments, drawn, rank
from bench.heads import judged, medians
from rewardmodel.learning.core.group_packing import truncate, unpack
from rewardmodel.learning.core.snapshot import read_groups
from rewardmodel.learning.core.snapshot_rows import GroupRow
from rewardmodel.learning.reward.choice import (
    cautious_temperature,
    folds_of,
    layers_to_read,
    losses_by_group,
)
from rewardmodel.learning.reward.features import answer_positions, decoder_layers
from rewardmodel.learning.reward.head import Comparisons, comparisons_of
from rewardmodel.learning.reward.model import encode
from rewardmodel.learning.reward.preferences import preference_target
from rewardmodel.rehearsal.teachers import find_teacher

SPREADS = (0.3, 1.0, 3.0)
"""Of all hidden features together, before anything is learned: of scores."""
POOLING_SPREADS = (0.3, 1.0)
"""The same of what tokens are weighted by."""
ARMS = ("mean", "attention", "gate")
SHORT = 3000
"""Characters of all answers of a group that people ranked: a longer one takes too much memory."""


@dataclass(frozen=True)
class Tokens:
    """The A answers of G groups, padded to T tokens; one layer's states of each token."""

    states: Tensor
    """[A, T, hidden], each feature with mean 0 and, as a mean over an answer, deviation 1."""
    real: Tensor
    lengths: Tensor
    group: Tensor
    place: Tensor
    """Of each answer in its group."""

    def of(self, chosen: Tensor) -> "Tokens":
        """Those of some groups."""
        own, numbers = chosen[self.group], chosen.cumsum(0) - 1
        return Tokens(
            self.states[own],
            self.real[own],
            self.lengths[own],
            numbers[self.group[own]],
            self.place[own],
        )

    def averaged(self) -> "Tokens":
        """One token an answer, for whoever reads the mean."""
        means = self.states.sum(1, keepdim=True) / self.real.sum(1, keepdim=True)[..., None]
        return replace(self, states=means, real=self.real[:, :1])


@dataclass(frozen=True)
class Weights:
    score: Tensor
    length: Tensor
    pooling: Tensor


def scores(arm: str, tokens: Tokens, w: Weights, most: int) -> Tensor:
    """[G, most], of most answers a group"""
    own, along = (tokens.states @ torch.stack([w.score, w.pooling], 1)).unbind(2)
    if arm == "attention":
        share = along.masked_fill(~tokens.real, -math.inf).softmax(1)
    else:
        gate = along.sigmoid() * tokens.real
        share = gate / gate.sum(1, keepdim=True)
    found = (share * own).sum(1) + tokens.lengths * w.length
    table = found.new_zeros(int(tokens.group.max()) + 1, most)
    return table.index_put((tokens.group, tokens.place), found)


def fitted(arm: str, tokens: Tokens, data: Comparisons, spreads: tuple[float, float]) -> Weights:
    """From the mean's weights on; spreads are the scores' and the pooling's, 0 for no pooling."""
    hidden = tokens.states.shape[-1]
    w = Weights(*(torch.zeros(n, requires_grad=True) for n in (hidden, 1, hidden)))

    def search(moving: list[Tensor], read: Tokens) -> None:
        solver = torch.optim.LBFGS(
            moving, max_iter=40, tolerance_grad=1e-3, line_search_fn="strong_wolfe"
        )

        def closure() -> Tensor:
            solver.zero_grad()
            said = scores(arm, read, w, data.shares.shape[1])
            loss = losses_by_group(data, said).sum() / 2
            loss = loss + w.score.pow(2).sum() * hidden / spreads[0] ** 2 / 2
            loss = loss + w.length.pow(2).sum() / 2
            if spreads[1]:
                loss = loss + w.pooling.pow(2).sum() * hidden / spreads[1] ** 2 / 2
            torch.autograd.backward(loss)
            return loss

        solver.step(closure)  # type: ignore[no-untyped-call]

    search([w.score, w.length], tokens.averaged())
    if spreads[1]:
        w.pooling.data.normal_(std=1e-3)
        search([w.score, w.length, w.pooling], tokens)
    return Weights(w.score.detach(), w.length.detach(), w.pooling.detach())


@dataclass(frozen=True)
class Found:
    """An arm at the spreads with the least log loss on the folds."""

    arm: str
    loss: float
    spreads: tuple[float, float]
    temperature: float


def chosen(arm: str, tokens: Tokens, data: Comparisons, folds: Tensor, near: float | None) -> Found:
    own = [near] if near else list(SPREADS)
    every = [(s, p) for s in own for p in (POOLING_SPREADS if arm != "mean" else (0.0,))]
    found = []
    for spreads in every:
        outside = torch.zeros(data.shares.shape[:2])
        for fold in sorted(set(folds.tolist())):
            held, others = folds == fold, folds != fold
            w = fitted(arm, tokens.of(others), data.of(others), spreads)
            outside[held] = scores(arm, tokens.of(held), w, data.shares.shape[1])
        loss = float(losses_by_group(data, outside).sum() / data.weights.sum())
        found.append(Found(arm, loss, spreads, cautious_temperature(data, outside)))
    return min(found, key=lambda each: each.loss)


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.set_defaults(budgets=[25, 50, 100])
    parser.add_argument("--arms", nargs="+", default=ARMS[1:], choices=ARMS[1:])
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"# {machine()}")
    if options.people:
        every = read_groups(options.people, 0).train[: options.groups]
        rows = [row for row in every if sum(map(len, row.answers)) < SHORT]
        layers, read = read_tokens(options.model, rows)
        compare(options.people.stem, rows, read, layers, options)
        return
    rows = answered(options.model, options.prompts, options.answered, options.groups)
    layers, read = read_tokens(options.model, rows)
    for name in options.teachers:
        teacher = find_teacher(f"rewardmodel.rehearsal.teachers:{name}")
        compare(name, [rank(row, teacher) for row in rows], read, layers, options)


def compare(
    name: str,
    rows: Sequence[GroupRow],
    read: Sequence[list[Tensor]],
    layers: int,
    options: argparse.Namespace,
) -> None:
    """Prints a line for each budget of groups and arm."""
    useful = [i for i, row in enumerate(rows) if len(set(row.rankings[0].ranks)) > 1]
    for budget in options.budgets:
        found: dict[str, list[tuple[float, float, float]]] = {}
        for seed in range(options.seeds):
            split = drawn([rows[i] for i in useful], options.heldout, budget, seed)
            learned, test = ([useful[i] for i in own] for own in split)
            if len(learned) < min(budget, len(useful) // 2):
                break
            for arm, figures in compared(rows, read, layers, learned, test, options.arms).items():
                found.setdefault(arm, []).append(figures)
        for arm, every in found.items():
            print(f"{name:<20} {budget:>4} {arm:<10} {medians(every)}", flush=True)


def compared(
    rows: Sequence[GroupRow],
    read: Sequence[list[Tensor]],
    layers: int,
    learned: Sequence[int],
    test: Sequence[int],
    arms: Sequence[str],
) -> dict[str, tuple[float, float, float]]:
    targets = [preference_target(rows[i], CONFIG, torch.device("cpu")) for i in learned]
    data = comparisons_of([torch.zeros(len(rows[i].answers), 0) for i in learned], targets)
    data = Comparisons(data.features, data.shares.float(), data.weights.float())
    folds = folds_of([json.dumps(rows[i].prompt) for i in learned])
    means = []
    for layer in range(layers):
        tokens = padded(read, layer, learned, learned).averaged()
        means.append((chosen("mean", tokens, data, folds, None), layer))
    mean, layer = min(means, key=lambda each: each[0].loss)
    tokens, heldout = (padded(read, layer, learned, own) for own in (learned, test))
    found: dict[str, Found] = {"mean": mean}
    for arm in arms:
        found[arm] = chosen(arm, tokens, data, folds, mean.spreads[0])
    found["folds"] = min(found.values(), key=lambda each: each.loss)
    result = {}
    for name, each in found.items():
        own, asked = tokens, heldout
        if each.arm == "mean":
            own, asked = tokens.averaged(), heldout.averaged()
        w = fitted(each.arm, own, data, each.spreads)
        most = max(len(rows[i].answers) for i in test)
        said = scores(each.arm, asked, w, most) * each.temperature
        chances = [
            (one[:k, None] - one[None, :k]).sigmoid().double()
            for one, k in ((own, len(rows[i].answers)) for own, i in zip(said, test, strict=True))
        ]
        result[name] = judged(chances, [rows[i] for i in test])
    return result


def read_tokens(model: str, rows: Sequence[GroupRow]) -> tuple[int, list[list[Tensor]]]:
    """How many layers are read, and of each group the states of each answer's tokens, half
    precision: [layers, tokens, hidden]."""
    network = load_causal_lm(model, torch.float32).train(False)
    use_onednn(network)
    chat = Chat(load_tokenizer(model))
    every = decoder_layers(network)
    layers = layers_to_read(len(every))
    kept: dict[int, Tensor] = {}

    def keep(layer: int) -> Callable[..., None]:
        def hook(_: object, __: object, output: Tensor | tuple[Tensor, ...]) -> None:
            kept[layer] = output if isinstance(output, Tensor) else output[0]

        return hook

    for layer in layers:
        every[layer - 1].register_forward_hook(keep(layer))
    found = []
    for row in rows:
        group = truncate(encode(chat, row.prompt, row.answers), CONFIG.group_tokens)
        batch = unpack([group], chat.pad)
        with torch.no_grad():
            network.base_model(**batch.inputs)
        places = answer_positions(batch)
        states = torch.stack([kept[layer].flatten(0, 1)[places].half() for layer in layers])
        found.append([states[:, batch.answer_of == k] for k in range(len(row.answers))])
    return len(layers), found


def padded(
    read: Sequence[list[Tensor]], layer: int, learned: Sequence[int], groups: Sequence[int]
) -> Tokens:
    """Scaled by what is learned from."""
    means = [torch.stack([each[layer].float().mean(0) for each in read[i]]) for i in learned]
    centre = torch.cat(means).mean(0)
    apart = torch.cat([each - each.mean(0) for each in means])
    scale = apart.pow(2).mean(0).sqrt().clamp(min=1e-6)
    answers = [each[layer].float() for i in groups for each in read[i]]
    counts = torch.tensor([len(read[i]) for i in groups])
    lengths = torch.tensor([float(len(each)) for each in answers])
    states = torch.nn.utils.rnn.pad_sequence([(a - centre) / scale for a in answers], True)
    real = torch.arange(states.shape[1]) < lengths[:, None]
    group = torch.repeat_interleave(torch.arange(len(groups)), counts)
    place = torch.cat([torch.arange(int(count)) for count in counts])
    logs = lengths.log()
    return Tokens(states * real[..., None], real, logs - logs.mean(), group, place)


if __name__ == "__main__":
    main()
