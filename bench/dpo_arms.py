"""One epoch of DPO for bench/dpo.py, in a process of its own: `laoshi` or `trl`."""

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, set_seed
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer

from annotation.lm.chat import Chat
from annotation.lm.loading import load_tokenizer
from bench.comparison import finish_device, peak_memory
from bench.peer import adapter_settings, trainer_settings
from bench.reward_arms import Encoded, Stopwatch, chosen_groups, shortest_groups, strict_pairs
from rewardmodel.learning.configs import PolicyConfig
from rewardmodel.learning.core.distributed import Processes
from rewardmodel.learning.core.snapshot import read_groups
from rewardmodel.learning.core.trainer import Trainer
from rewardmodel.learning.policy.dpo import (
    AnswerLikelihoods,
    fit,
    likelihoods,
    ranking_target,
    reference_likelihoods,
)
from rewardmodel.learning.policy.losses import implicit_rewards
from rewardmodel.learning.policy.model import AdaptedPolicy
from rewardmodel.learning.reward.metrics import PreferenceMetrics, metrics_of


class PairTrainer(DPOTrainer):
    """Takes pairs of tokens as they are: TRL's own would render and cut the texts once more."""

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset


def pairs_of(groups: Encoded) -> list[dict[str, list[int]]]:
    """Each strict preference as tokenized pair of TRL's DPOTrainer."""
    return [
        {"prompt_ids": prompt, "chosen_ids": better, "rejected_ids": worse}
        for prompt, better, worse in strict_pairs(groups)
    ]


def train_groups(config: PolicyConfig, groups: Encoded, adapter: Path) -> float:
    """One pass over the groups; seconds. Leaves the adapter."""
    accelerator = Processes()
    policy = AdaptedPolicy(config, accelerator.device, [], longest=config.group_tokens)
    steps = -(-len(groups) // config.groups_per_step)
    module = AnswerLikelihoods(policy.log_probs)
    trainer = Trainer(accelerator, module, config, config.dpo_learning_rate, steps)
    targets = [ranking_target(row, accelerator.device) for row, _ in groups]
    began = time.perf_counter()
    for _ in fit(config, trainer, policy, [group for _, group in groups], targets):
        pass
    finish_device()
    seconds = time.perf_counter() - began
    policy.save(adapter)
    return seconds


def train_pairs(config: PolicyConfig, groups: Encoded, adapter: Path) -> float:
    """One pass of TRL's trainer over the pairs, as many a step as a step's groups have; seconds.
    Leaves the adapter."""
    pairs, stopwatch = pairs_of(groups), Stopwatch()
    per_step = max(1, round(len(pairs) * config.groups_per_step / len(groups)))
    trainer = PairTrainer(
        model=AutoModelForCausalLM.from_pretrained(config.base_model, dtype=torch.float32),
        args=DPOConfig(
            output_dir=str(adapter),
            beta=config.dpo_beta,
            per_device_train_batch_size=1,
            gradient_accumulation_steps=per_step,
            num_train_epochs=1,
            max_length=None,
            **{**trainer_settings(config), "learning_rate": config.dpo_learning_rate},
        ),
        train_dataset=Dataset.from_list(pairs),
        processing_class=Chat(load_tokenizer(config.base_model)).tokenizer,
        peft_config=adapter_settings(config),
        callbacks=[stopwatch],
    )
    trainer.train()
    trainer.save_model(str(adapter))
    return stopwatch.seconds


def measured(config: PolicyConfig, adapter: Path, heldout: Encoded) -> PreferenceMetrics:
    """How well the implicit rewards of a base model with that adapter predict rankings."""
    config = PolicyConfig(**{**vars(config), "adapter": str(adapter)})
    policy = AdaptedPolicy(config, Processes().device, [], longest=config.group_tokens)
    groups = [group for _, group in heldout]
    both = zip(likelihoods(policy, groups), reference_likelihoods(policy, groups), strict=True)
    rewards = [implicit_rewards(own, reference, config.dpo_beta) for own, reference in both]
    return metrics_of(rewards, [row for row, _ in heldout])


def main() -> None:
    task = json.loads(sys.argv[1])
    config = PolicyConfig(output="-", algorithm="dpo", **task["config"])
    data = read_groups(Path(config.snapshot), config.heldout_percent)
    chat = Chat(load_tokenizer(config.base_model))
    choose = shortest_groups if task["shortest"] else chosen_groups
    groups = choose(data.train, chat, config, task["groups"])
    heldout = choose(data.heldout, chat, config, task["heldout_groups"])
    set_seed(config.seed)
    train = train_groups if task["arm"] == "laoshi" else train_pairs
    with tempfile.TemporaryDirectory() as folder:
        with peak_memory() as peak:
            seconds = train(config, groups, Path(folder))
        metrics = measured(config, Path(folder), heldout)
    found: dict[str, Any] = {
        "groups": len(groups),
        "pairs": len(pairs_of(groups)),
        "seconds": seconds,
    }
    found |= {"peak_bytes": peak.bytes, "log_loss": metrics.log_loss, "accuracy": metrics.accuracy}
    print(json.dumps({**found, "heldout_pairs": metrics.pairs}))


if __name__ == "__main__":
    main()
