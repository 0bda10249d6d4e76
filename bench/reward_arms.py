"""One training of a reward model for bench/reward.py, in a process of its own.

Every arm starts from the same weights with the same adapter and learns from the same tokens, with
the same optimiser, batch and schedule; only how groups become rows differs:
`packed` one row a group, `plain` one row an answer, `trl` TRL's RewardTrainer on the pairs.
"""

import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from datasets import Dataset
from transformers import TrainerCallback, set_seed
from trl.trainer.reward_config import RewardConfig as PairConfig
from trl.trainer.reward_trainer import RewardTrainer

from annotation.lm.chat import Chat
from annotation.lm.cpu_linear import use_onednn
from annotation.lm.loading import load_tokenizer
from bench.comparison import finish_device, peak_memory
from bench.peer import trainer_settings
from rewardmodel.learning.configs import PolicyConfig, RewardConfig
from rewardmodel.learning.core.distributed import Processes
from rewardmodel.learning.core.group_packing import (
    EncodedGroup,
    Layout,
    truncate,
    unpack,
)
from rewardmodel.learning.core.snapshot import read_groups
from rewardmodel.learning.core.snapshot_rows import GroupRow
from rewardmodel.learning.core.trainer import Trainer
from rewardmodel.learning.reward.metrics import preference_metrics
from rewardmodel.learning.reward.model import RewardModel, encode, new_reward_model, score_groups
from rewardmodel.learning.reward.preferences import preference_target
from rewardmodel.learning.reward.training_set import TrainingSet
from rewardmodel.learning.train_reward import fit

OFFSETS = 20
Encoded = list[tuple[GroupRow, EncodedGroup]]


def chosen_groups(
    rows: list[GroupRow], chat: Chat, config: RewardConfig | PolicyConfig, count: int
) -> Encoded:
    """So many groups that stand for all: of every length, and as costly to take apart as they are.

    Of evenly spaced samples by length, the one for which pairs have as many times the tokens of
    packed rows as for all groups, or nearly.
    """
    encoded = [
        (row, truncate(encode(chat, row.prompt, row.answers), config.group_tokens)) for row in rows
    ]
    encoded.sort(key=lambda pair: pair[1].tokens)
    if count >= len(encoded):
        return encoded
    samples = [
        [encoded[int((place + offset / OFFSETS) * len(encoded) / count)] for place in range(count)]
        for offset in range(OFFSETS)
    ]
    return min(samples, key=lambda sample: abs(token_ratio(sample) - token_ratio(encoded)))


def shortest_groups(
    rows: list[GroupRow], chat: Chat, config: RewardConfig | PolicyConfig, count: int
) -> Encoded:
    """So many groups with the fewest tokens: as many as the time allows to learn from."""
    every = chosen_groups(rows, chat, config, len(rows))  # by length
    return every[:count]


def token_ratio(groups: Encoded) -> float:
    """How many times the tokens of packed rows the pairs have."""
    pair_tokens = sum(len(ids) for pair in pairs_of(groups) for ids in pair.values())
    return pair_tokens / sum(group.tokens for _, group in groups)


def pairs_of(groups: Encoded) -> list[dict[str, list[int]]]:
    """Each strict preference as tokenized pair of TRL's RewardTrainer."""
    return [
        {"chosen_ids": prompt + better, "rejected_ids": prompt + worse}
        for prompt, better, worse in strict_pairs(groups)
    ]


def strict_pairs(groups: Encoded) -> Iterator[tuple[list[int], list[int], list[int]]]:
    """The prompt, the better and the worse answer; TRL has no words for ties."""
    for row, group in groups:
        for ranking in row.counted:
            ranked = list(zip(group.answers, ranking.ranks, strict=True))
            for (better, above), (worse, below) in permutations(ranked, 2):
                if above and below and above < below:
                    yield group.prompt, better, worse


def train_groups(
    model: RewardModel, layout: Layout, groups: Encoded, chat: Chat, config: RewardConfig
) -> float:
    """One pass over the groups; seconds."""
    accelerator = Processes()
    model.to(accelerator.device).eval()
    data = TrainingSet(
        groups=[group for _, group in groups],
        targets=[preference_target(row, config, accelerator.device) for row, _ in groups],
        heldout=[],
        demonstrations=[],
        shortened=Counter(),
        pad=chat.pad,
    )
    per_step = min(config.groups_per_step, len(groups))
    steps = -(-len(groups) // per_step)  # the last one is filled up, at our cost
    trainer = Trainer(accelerator, model, config, config.learning_rate, steps)
    start = time.perf_counter()
    for _ in fit(config, trainer, layout, data, range(len(groups))):
        pass
    finish_device()
    return time.perf_counter() - start


class Stopwatch(TrainerCallback):
    """Seconds between the first step's start and the last one's end."""

    seconds = 0.0

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.start = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        finish_device()
        self.seconds = time.perf_counter() - self.start


def train_pairs(
    model: RewardModel,
    groups: Encoded,
    chat: Chat,
    config: RewardConfig,
    pairs_per_pass: int,
    epochs: int = 1,
    *callbacks: TrainerCallback,
) -> float:
    """Passes of TRL's trainer over the pairs, as many a step as a step's groups have; seconds."""
    pairs = pairs_of(groups)
    per_step = len(pairs) * min(config.groups_per_step, len(groups)) / len(groups)
    stopwatch = Stopwatch()
    with tempfile.TemporaryDirectory() as folder:
        arguments = PairConfig(
            output_dir=folder,
            per_device_train_batch_size=pairs_per_pass,
            gradient_accumulation_steps=max(1, round(per_step / pairs_per_pass)),
            num_train_epochs=epochs,
            max_length=None,
            **trainer_settings(config),
        )
        trainer = RewardTrainer(
            model=model.classifier,
            args=arguments,
            train_dataset=Dataset.from_list(pairs),
            processing_class=chat.tokenizer,
            callbacks=[stopwatch, *callbacks],
        )
        trainer.train()
    return stopwatch.seconds


def warm_up(
    model: RewardModel, layout: Layout, groups: Encoded, chat: Chat, *, pairs: bool
) -> None:
    """Reads the longest group, or pair, there and back: memory is slow when it is first touched."""
    units = [group for _, group in groups]
    if pairs:
        units = [EncodedGroup(g.prompt, sorted(g.answers, key=len)[-2:]) for g in units]
    longest = max(units, key=lambda unit: layout.tokens([unit]))
    model(layout([longest], chat.pad).to(model.network.device)).sum().backward()
    model.zero_grad()


def main() -> None:
    task = json.loads(sys.argv[1])
    config = RewardConfig(output="-", **task["config"])
    data = read_groups(Path(config.snapshot), config.heldout_percent)
    chat = Chat(load_tokenizer(config.base_model))
    choose = shortest_groups if task["heldout"] else chosen_groups
    groups = choose(data.train, chat, config, task["groups"])
    set_seed(config.seed)
    model = new_reward_model(config.base_model, chat, None if config.full else config.lora_rank)
    model.to(Processes().device)
    layout = unpack
    if task["arm"] == "packed":
        layout = model.choose_layout(config.group_tokens)
    warm_up(model, layout, groups, chat, pairs=task["arm"] == "trl")
    with peak_memory() as peak:
        if task["arm"] == "trl":
            if task["heldout"]:
                use_onednn(model)  # takes less of the time, which is not what is compared
            seconds = train_pairs(model, groups, chat, config, task["pairs_per_pass"])
        else:
            seconds = train_groups(model, layout, groups, chat, config)
    found: dict[str, Any] = {
        "groups": len(groups),
        "pairs": len(pairs_of(groups)),
        "tokens": sum(group.tokens for _, group in groups),
        "token_ratio": token_ratio(groups),
        "seconds": seconds,
        "peak_bytes": peak.bytes,
    }
    if task["heldout"]:
        heldout = shortest_groups(data.heldout, chat, config, task["heldout"])
        model.eval()
        encoded = [group for _, group in heldout]
        scores = score_groups(model, layout, encoded, chat.pad, config.tokens_per_batch)
        ranks = [[ranking.ranks for ranking in row.counted] for row, _ in heldout]
        metrics = preference_metrics(scores, ranks)
        found |= {"log_loss": metrics.log_loss, "accuracy": metrics.accuracy}
        found |= {"heldout_groups": metrics.groups, "heldout_pairs": metrics.pairs}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
