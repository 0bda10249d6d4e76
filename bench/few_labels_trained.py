"""The same few rankings for whole models: `python bench/few_labels_trained.py --model FOLDER ...`.

    pip install -r requirements-bench.txt

Groups to learn from and held-out ones as in bench/few_labels.py, of whose options it takes most.
Arms: `probe` the head that is chosen by default; `finetune` the adapter with its defaults, and
with a learning rate of 1e-3 and four epochs; `trl` TRL's RewardTrainer on the pairs with the same
adapter and batch, one epoch at 1e-4, its default, and three at 1e-3, judged after each. `length` is
the length alone. Each line has the most memory that the arm has held. With --pieces short pieces
of the answers are ranked.
`adapters` begins with the chosen head and trains adapters below it, as it stands (linear probe,
then fine-tuning: arXiv 2202.10054); the held-out figures are shown along the way, so that they say
what stopping in time could gain at most.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from torch import Tensor, nn
from transformers import (
    PreTrainedModel,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)

from annotation.lm.chat import Chat
from annotation.lm.cpu_linear import use_onednn
from annotation.lm.loading import load_causal_lm, load_tokenizer
from bench.comparison import Peak, machine, peak_memory
from bench.few_labels import (
    ANSWERS,
    Read,
    answered,
    attending,
    drawn,
    head_of,
    judged,
    rank,
    read_all,
)
from bench.reward_arms import Encoded, train_pairs
from rewardmodel.learning.configs import RewardConfig
from rewardmodel.learning.core.adapters import with_fresh_adapter
from rewardmodel.learning.core.distributed import Processes
from rewardmodel.learning.core.group_packing import GroupBatch, Layout, truncate
from rewardmodel.learning.core.packing_check import choose_layout
from rewardmodel.learning.core.passes import read_answers
from rewardmodel.learning.core.snapshot import read_groups
from rewardmodel.learning.core.snapshot_rows import GroupRow
from rewardmodel.learning.core.trainer import Trainer
from rewardmodel.learning.reward.choice import Choice, first_recipes
from rewardmodel.learning.reward.features import FeatureReader
from rewardmodel.learning.reward.metrics import PreferenceMetrics, metrics_of
from rewardmodel.learning.reward.model import RewardModel, encode, new_reward_model, score_groups
from rewardmodel.learning.reward.preferences import preference_target
from rewardmodel.learning.reward.probe import Head, chosen_features
from rewardmodel.learning.reward.training_set import TrainingSet
from rewardmodel.learning.train_reward import fit, steps_for
from rewardmodel.rehearsal.teachers import find_teacher

ARMS = ("probe", "finetune", "finetune, 1e-3", "trl", "trl, 1e-3", "adapters", "adapters, 1e-3")
LOOKED = 8  # steps
PAIRS = 2  # in a pass of TRL's


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", required=True, help="folder of a chat model")
    parser.add_argument("--prompts", type=Path, nargs="+", help="JSON Lines, as in shared/data")
    parser.add_argument("--answered", type=Path, help="where the model's answers are kept")
    parser.add_argument("--people", type=Path, help="ranked groups instead of a teacher's")
    parser.add_argument("--teacher", default="speaks_to_reader")
    parser.add_argument("--among", type=int, default=384, help="groups to draw from")
    parser.add_argument("--groups", type=int, default=100)
    parser.add_argument("--heldout", type=int, default=130)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pieces", type=int, help="words of each; for many groups in little time")
    parser.add_argument("--arms", nargs="+", default=ARMS)
    options = parser.parse_args()
    print(f"# {machine()}")
    rows = list(groups_of(options))
    places = drawn(rows, options.heldout, options.groups, options.seed)
    learned, test = ([rows[i] for i in own] for own in places)
    for arm in options.arms:
        with peak_memory() as peak:
            measure(arm, options, learned, test, Teller(peak))


class Teller:
    """Prints the figures of an arm, whose process of memory `peak` watches, as they come."""

    def __init__(self, peak: Peak) -> None:
        self.peak, self.began = peak, time.perf_counter()

    def __call__(self, name: str, found: PreferenceMetrics) -> None:
        print(
            f"{name:<20} accuracy {found.accuracy:.3f} log loss {found.log_loss:.3f} "
            f"on {found.pairs} pairs, {time.perf_counter() - self.began:.0f} s, "
            f"{self.peak.bytes / 1e9:.1f} GB",
            flush=True,
        )


def groups_of(options: argparse.Namespace) -> Iterator[GroupRow]:
    """Those that say anything."""
    if options.people:
        yield from read_groups(options.people, 0).train[: options.among]
        return
    teacher = find_teacher(f"rewardmodel.rehearsal.teachers:{options.teacher}")
    for row in answered(options.model, options.prompts, options.answered, options.among, ANSWERS):
        for part in pieces(row, options.pieces) if options.pieces else [row]:
            ranked = rank(part, teacher)
            if len(set(ranked.rankings[0].ranks)) > 1:
                yield ranked


def pieces(row: GroupRow, words: int) -> Iterator[GroupRow]:
    """The first so many words of each answer as one group, the next ones as another; after as many
    of what was asked last."""
    asked = " ".join(row.prompt[-1]["content"].split()[:words])
    answers = [answer.split() for answer in row.answers]
    for start in range(0, min(map(len, answers)) - words + 1, words):
        texts = [" ".join(answer[start : start + words]) for answer in answers]
        yield GroupRow(row.id, [{"role": "user", "content": asked}], "train", texts, [])


def measure(
    arm: str,
    options: argparse.Namespace,
    learned: list[GroupRow],
    test: list[GroupRow],
    tell: Teller,
) -> None:
    name, _, rate = arm.partition(", ")
    if name == "probe":
        read = read_all(options.model, [*learned, *test])
        count = len(learned)
        places = range(count, len(read.rows))
        for name, choice in heads(read, range(count)).items():
            tell(name, judged(read, places, choice))
        return
    if name == "adapters":
        adapters(options, learned, test, float(rate or 1e-4), tell)
        return
    config = RewardConfig(
        snapshot="-",
        base_model=options.model,
        output="-",
        seed=options.seed,
        epochs=4 if rate and name == "finetune" else 1,
        learning_rate=float(rate) if rate else 3e-4 if name == "finetune" else 1e-4,
    )
    set_seed(options.seed)
    chat = Chat(load_tokenizer(options.model))
    model = new_reward_model(options.model, chat, config.lora_rank)
    model.to(Processes().device)
    use_onednn(model)
    layout = model.choose_layout(config.group_tokens)
    groups = encoded(chat, learned, config)
    heldout = [group for _, group in encoded(chat, test, config)]

    def judge_now(passes: float) -> None:
        model.eval()
        scores = score_groups(model, layout, heldout, chat.pad, config.tokens_per_batch)
        tell(f"{arm}, {passes:.0f}", metrics_of(scores, test))

    if name == "trl":
        epochs = 3 if rate else 1
        train_pairs(model, groups, chat, config, PAIRS, epochs, EachEpoch(judge_now))
        return
    model.eval()
    train_groups(model, layout, groups, chat, config)
    judge_now(config.epochs)


class EachEpoch(TrainerCallback):
    """TRL's trainer is left as it was: in training, and with its gradients."""

    def __init__(self, judge_now: Callable[[float], None]) -> None:
        self.judge_now = judge_now

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        self.judge_now(state.epoch or 0.0)
        given["model"].train()


class Deepened(nn.Module):
    """A head that stays as it is, on a model that does not."""

    def __init__(self, network: PreTrainedModel, head: Head) -> None:
        super().__init__()
        self.network, self.recipe = network, head.recipe
        self.reader = FeatureReader(network, head.recipe.layers)
        self.weights = nn.Parameter(head.weights.to(network.device), requires_grad=False)

    def forward(self, batch: GroupBatch) -> Tensor:
        lengths = torch.bincount(batch.answer_of, minlength=len(batch.ends)).float().log()
        read = self.reader(batch)
        return chosen_features(self.recipe, self.reader.layers, read, lengths) @ self.weights


def adapters(
    options: argparse.Namespace,
    learned: list[GroupRow],
    test: list[GroupRow],
    rate: float,
    tell: Teller,
) -> None:
    head = head_of(read_all(options.model, learned), range(len(learned))).head
    config = RewardConfig(snapshot="-", base_model=options.model, output="-", seed=options.seed)
    chat = Chat(load_tokenizer(options.model))
    network = load_causal_lm(options.model, torch.float32)
    network.to(Processes().device)
    set_seed(options.seed)
    with_fresh_adapter(network, config.lora_rank)
    network.train(False)
    model = Deepened(network, head)
    layout = choose_layout(model.reader, network, config.group_tokens)
    data = training_set(encoded(chat, learned, config), chat, config)
    heldout = [group for _, group in encoded(chat, test, config)]
    steps = 2 * steps_for(config, len(learned))
    trainer = Trainer(Processes(), model, config, rate, steps)

    def judge_now(step: int) -> None:
        read = read_answers(
            model, network.device, layout, heldout, chat.pad, config.tokens_per_batch
        )
        tell(f"adapters {rate:g}, {step}", metrics_of(read, test))

    judge_now(0)
    for step, _ in fit(config, trainer, layout, data, range(len(learned))):
        if step % LOOKED == 0:
            judge_now(step)


def heads(read: Read, learned: Sequence[int]) -> dict[str, Choice]:
    plain = head_of(read, learned)
    return {
        "probe": attending(read, learned, plain),
        "probe, all tokens": plain,
        "length": head_of(read, learned, first_recipes(read.layers)[:1]),
    }


def encoded(chat: Chat, rows: Sequence[GroupRow], config: RewardConfig) -> Encoded:
    return [
        (row, truncate(encode(chat, row.prompt, row.answers), config.group_tokens)) for row in rows
    ]


def training_set(groups: Encoded, chat: Chat, config: RewardConfig) -> TrainingSet:
    targets = [preference_target(row, config, Processes().device) for row, _ in groups]
    return TrainingSet([group for _, group in groups], targets, [], [], Counter(), chat.pad)


def train_groups(
    model: RewardModel, layout: Layout, groups: Encoded, chat: Chat, config: RewardConfig
) -> None:
    """As `train_reward.py --method finetune` does."""
    steps = steps_for(config, len(groups))
    trainer = Trainer(Processes(), model, config, config.learning_rate, steps)
    for _ in fit(config, trainer, layout, training_set(groups, chat, config), range(len(groups))):
        pass


if __name__ == "__main__":
    main()
