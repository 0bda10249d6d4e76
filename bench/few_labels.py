"""What a reward model learns from few rankings: `python bench/few_labels.py --model FOLDER`.

Answers are the model's own, K = 4, to prompts of --prompts; scripted teachers rank them, and a
fifth of the labelers' work is what it is measured by: accuracy and log loss of strict pairs on
prompts that were held out. Each row is the median over seeds, which draw other groups to learn
from, with the least and the most. With --people a file of ranked groups stands in for the teachers,
its held-out prompts drawn by each seed.

`without` is the head that is chosen where none may weigh tokens, `length` the one on the length
alone, `last token` the one on the last token in the last layer, `error` the chosen head's expected
calibration error.
"""

import argparse
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from torch import Tensor

from annotation.lm.chat import Chat
from annotation.lm.cpu_linear import use_onednn
from annotation.lm.loading import PolicySource, load_causal_lm, load_policy, load_tokenizer
from annotation.lm.sampler import SamplingParameters, sample_groups
from bench.comparison import machine
from rewardmodel.learning.configs import RewardConfig
from rewardmodel.learning.core.distributed import Processes
from rewardmodel.learning.core.group_packing import truncate
from rewardmodel.learning.core.packing_check import choose_layout
from rewardmodel.learning.core.snapshot import json_rows, read_groups
from rewardmodel.learning.core.snapshot_rows import GroupRow, LabelerRanking
from rewardmodel.learning.reward.attention import best_mean, mean_of, with_attention
from rewardmodel.learning.reward.choice import (
    Choice,
    choose_head,
    first_recipes,
    layers_to_read,
)
from rewardmodel.learning.reward.feature_cache import Features
from rewardmodel.learning.reward.features import (
    FeatureReader,
    decoder_layers,
    log_lengths,
    read_features,
)
from rewardmodel.learning.reward.fit_probe import read_by
from rewardmodel.learning.reward.metrics import PreferenceMetrics, metrics_of
from rewardmodel.learning.reward.model import encode
from rewardmodel.learning.reward.preferences import PreferenceTarget, preference_target
from rewardmodel.learning.reward.probe import Recipe, chosen_features
from rewardmodel.learning.reward.tokens import TokenStates, read_with_tokens
from rewardmodel.rehearsal.teachers import Messages, Teacher, find_teacher

TEACHERS = ("short_and_complete", "on_topic", "structured", "speaks_to_reader", "plain_words")
ANSWERS, NEW_TOKENS, BATCH = 4, 64, 12
CONFIG = RewardConfig(snapshot="-", base_model="-", output="-")


@dataclass(frozen=True)
class Read:
    """Groups with what the model's layers make of their answers; `tokens_at` reads all tokens of
    one layer, once."""

    rows: list[GroupRow]
    hidden: list[Tensor]
    lengths: list[Tensor]
    layers: tuple[int, ...]
    tokens_at: Callable[[int], Sequence[TokenStates]]


def main() -> None:
    options = arguments(__doc__ or "").parse_args()
    print(f"# {machine()}")
    if options.people:
        data = read_groups(options.people, 0)
        read = read_all(options.model, data.train[: options.groups])
        compare(options.people.stem, read, options)
        return
    rows = answered(options.model, options.prompts, options.answered, options.groups)
    read = read_all(options.model, rows)
    for name in options.teachers:
        teacher = find_teacher(f"rewardmodel.rehearsal.teachers:{name}")
        ranked = [rank(row, teacher) for row in read.rows]
        useful = [i for i, row in enumerate(ranked) if len(set(row.rankings[0].ranks)) > 1]
        own = Read(
            [ranked[i] for i in useful],
            [read.hidden[i] for i in useful],
            [read.lengths[i] for i in useful],
            read.layers,
            partial(tokens_of, read, useful),
        )
        compare(name, own, options)


def tokens_of(read: Read, groups: Sequence[int], layer: int) -> list[TokenStates]:
    tokens = read.tokens_at(layer)
    return [tokens[i] for i in groups]


def arguments(text: str) -> argparse.ArgumentParser:
    """Those of all benches that learn from so many of the groups."""
    parser = argparse.ArgumentParser(description=text.partition("\n")[0])
    parser.add_argument("--model", required=True, help="folder of a chat model")
    parser.add_argument("--prompts", type=Path, nargs="+", help="JSON Lines, as in shared/data")
    parser.add_argument("--answered", type=Path, help="where the model's answers are kept")
    parser.add_argument("--people", type=Path, help="ranked groups instead of teachers")
    parser.add_argument("--groups", type=int, default=384)
    parser.add_argument("--heldout", type=int, default=130)
    parser.add_argument("--budgets", type=int, nargs="+", default=[25, 50, 100, 200])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--teachers", nargs="+", default=TEACHERS)
    return parser


def answered(
    model: str, prompts: Sequence[Path], kept: Path | None, count: int, answers: int = ANSWERS
) -> list[GroupRow]:
    """The model's answers to so many English prompts; read from `kept` where it is there."""
    if kept is None or not kept.exists():
        rows = english(prompts)
        random.Random(0).shuffle(rows)
        network, tokenizer = load_policy(PolicySource(model))
        parameters = SamplingParameters(max_new_tokens=NEW_TOKENS)
        lines = []
        for start in range(0, min(count, len(rows)), BATCH):
            part = rows[start : start + BATCH]
            asked = [row["prompt"] for row in part]
            groups = sample_groups(network, tokenizer, asked, answers, parameters, start)
            for row, prompt, group in zip(part, asked, groups, strict=True):
                said = [completion.text for completion in group]
                lines.append({"id": row["id"], "prompt": prompt, "answers": said})
        kept = kept or Path("answered.jsonl")
        kept.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return [
        GroupRow(str(row["id"]), row["prompt"], "train", row["answers"], [])
        for _, row in json_rows(kept)
    ][:count]


def english(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """The English prompts of files as in shared/data: `id` and `prompt`."""
    rows = [row for path in paths for _, row in json_rows(path) if row["lang"] == "en"]
    return [
        {"id": str(row["id"]), "prompt": row.get("prompt") or row["messages"][:-1]} for row in rows
    ]


def read_all(model: str, rows: list[GroupRow]) -> Read:
    """One pass over all answers; prints how long it took."""
    network = load_causal_lm(model, torch.float32)
    network.to(Processes().device).train(False)
    use_onednn(network)
    chat = Chat(load_tokenizer(model))
    layers = layers_to_read(len(decoder_layers(network)))
    reader = FeatureReader(network, layers)
    layout = choose_layout(reader, network, CONFIG.group_tokens)
    groups = [truncate(encode(chat, row.prompt, row.answers), CONFIG.group_tokens) for row in rows]
    began = time.perf_counter()
    hidden = read_features(reader, layout, groups, chat.pad, CONFIG.tokens_per_batch)
    took = time.perf_counter() - began
    print(f"# {len(rows)} groups, {sum(g.tokens for g in groups)} tokens read in {took:.0f} s")

    @cache
    def tokens_at(layer: int) -> list[TokenStates]:
        budget = CONFIG.tokens_per_batch
        alone = FeatureReader(network, [layer])
        read = read_with_tokens(alone, [layer], layout, groups, chat.pad, budget)
        return [each.tokens[layer] for each in read]

    return Read(rows, hidden, [log_lengths(group) for group in groups], layers, tokens_at)


def rank(row: GroupRow, teacher: Teacher) -> GroupRow:
    prompt = cast(Messages, row.prompt)
    scores = [teacher(prompt, answer) for answer in row.answers]
    best_first = sorted(set(scores), reverse=True)
    ranks = [best_first.index(score) + 1 for score in scores]
    return GroupRow(row.id, row.prompt, "train", row.answers, [LabelerRanking("teacher", ranks)])


def compare(name: str, read: Read, options: argparse.Namespace) -> None:
    """Prints a table: a line for each budget of groups."""
    print(
        f"\n{name}\n{'groups':>7} {'chosen':>37} {'error':>5} {'without':>14} {'length':>14}"
        f" {'last token':>14}  seconds  reads"
    )
    for budget in options.budgets:
        found: list[list[PreferenceMetrics]] = []
        seconds, recipes = [], []
        for seed in range(options.seeds):
            learned, test = drawn(read.rows, options.heldout, budget, seed)
            if len(learned) < budget:
                break
            began = time.perf_counter()
            plain = head_of(read, learned)
            choice = attending(read, learned, plain)
            seconds.append(time.perf_counter() - began)
            recipes.append(choice.head.recipe.name)
            firsts = first_recipes(read.layers)
            others = (head_of(read, learned, [each]) for each in (firsts[0], firsts[-1]))
            arms = [choice, plain, *others]
            found.append([judged(read, test, arm) for arm in arms])
        if found:
            cell = shown([each[0] for each in found])
            error = statistics.median(each[0].calibration_error or 0 for each in found)
            print(
                f"{budget:>7} {cell:>37} {error:5.3f} "
                + " ".join(f"{short(found, arm):>14}" for arm in (1, 2, 3))
                + f"  {statistics.median(seconds):7.1f}  {'; '.join(recipes)}",
                flush=True,
            )


def drawn(
    rows: Sequence[GroupRow], heldout: int, budget: int, seed: int
) -> tuple[list[int], list[int]]:
    """Groups to learn from, at most the budget, and held-out ones: those of so many prompts, at
    most a third."""
    prompts = sorted({json.dumps(row.prompt) for row in rows})
    order = random.Random(seed).sample(prompts, len(prompts))
    held = set(order[: min(heldout, len(order) // 3)])
    is_held = [json.dumps(row.prompt) in held for row in rows]
    places = [i for i, held_out in enumerate(is_held) if not held_out]
    learned = random.Random(seed).sample(places, min(budget, len(places)))
    return learned, [i for i, held_out in enumerate(is_held) if held_out]


def head_of(read: Read, groups: Sequence[int], recipes: Sequence[Recipe] | None = None) -> Choice:
    """Chosen among heads that weigh all tokens alike."""
    return choose_head(
        [read.hidden[i] for i in groups],
        read.layers,
        [read.lengths[i] for i in groups],
        *said(read, groups),
        recipes,
    )


def attending(read: Read, groups: Sequence[int], choice: Choice) -> Choice:
    """That choice, or a head that weighs tokens, as `train_reward.py` does."""
    layer = best_mean(choice.trials)
    mean = mean_of(choice.trials, layer)
    features = [
        chosen_features(mean.recipe, read.layers, read.hidden[i], read.lengths[i]) for i in groups
    ]
    own = tokens_of(read, groups, layer)
    return with_attention(choice, mean, features, own, *said(read, groups))


def said(read: Read, groups: Sequence[int]) -> tuple[list[PreferenceTarget], list[str]]:
    """What the teacher said of the groups, and which prompt each has."""
    rows = [read.rows[i] for i in groups]
    targets = [preference_target(row, CONFIG, torch.device("cpu")) for row in rows]
    return targets, [json.dumps(row.prompt) for row in rows]


def judged(read: Read, groups: Sequence[int], choice: Choice) -> PreferenceMetrics:
    head = choice.head
    tokens = None if head.query is None else tokens_of(read, groups, *head.recipe.layers)
    known = [Features(read.hidden[i], read.lengths[i]) for i in groups]
    features = read_by(head, read.layers, known, tokens)
    return metrics_of([head.scores(each) for each in features], [read.rows[i] for i in groups])


def shown(found: Sequence[PreferenceMetrics]) -> str:
    """Accuracy and log loss, each the median with its range."""

    def of(read: Callable[[PreferenceMetrics], float | None]) -> str:
        values = sorted(value for each in found if (value := read(each)) is not None)
        ends = f"{values[0]:.2f}-{values[-1]:.2f}".replace("0.", ".")
        return f"{statistics.median(values):.3f} ({ends})".replace("0.", ".", 1)

    return f"{of(lambda m: m.accuracy)} / {of(lambda m: m.log_loss)}"


def short(found: Sequence[Sequence[PreferenceMetrics]], arm: int) -> str:
    """The medians alone."""
    accuracy = statistics.median(each[arm].accuracy or 0 for each in found)
    loss = statistics.median(each[arm].log_loss or 0 for each in found)
    return f"{accuracy:.3f} / {loss:.3f}"


if __name__ == "__main__":
    main()
