"""One step of a policy update for bench/policy.py, in a process of its own: `probe` (the reward
model is a head on the policy's base), `classifier`, or `trl`."""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch
from datasets import Dataset
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    TrainerCallback,
    set_seed,
)
from trl.trainer.rloo_config import RLOOConfig
from trl.trainer.rloo_trainer import RLOOTrainer

from annotation.lm.chat import Chat, Message
from annotation.lm.loading import load_tokenizer
from bench.comparison import finish_device, peak_memory, prompts_of
from bench.peer import adapter_settings, trainer_settings
from rewardmodel.learning.configs import PolicyConfig
from rewardmodel.learning.core.distributed import Processes, autocast
from rewardmodel.learning.core.snapshot_rows import PromptRow
from rewardmodel.learning.core.trainer import Trainer
from rewardmodel.learning.policy.algorithms import Rloo
from rewardmodel.learning.policy.model import AdaptedPolicy
from rewardmodel.learning.policy.rollout import seeds_of

Prompts = list[list[Message]]
STEPS = 2  # the first one warms up
WARMING_LENGTH = 40  # tokens of its prompts
PEER_TOKENS = 4096  # of one of TRL's passes: with all rows of long prompts it needs over 24 GiB


def our_step(config: PolicyConfig, prompts: Prompts) -> Callable[[int, Prompts], None]:
    """Sample, score, reference, update, as train_policy.py does it."""
    accelerator = Processes()
    rows = [PromptRow(str(number), prompt, "train") for number, prompt in enumerate(prompts)]
    policy = AdaptedPolicy(config, accelerator.device, rows)
    algorithm = Rloo(config, policy.log_probs)
    trainer = Trainer(
        accelerator, algorithm.module, config, config.peak_learning_rate, config.steps
    )

    def step(number: int, prompts: Prompts) -> None:
        places = range(len(prompts))
        seeds = [seeds_of(config, number, i, config.answers_per_prompt) for i in places]
        rollouts = policy.rollouts(prompts, seeds)
        experiences = algorithm.prepare(list(policy.experiences(rollouts)))
        answers = len(prompts) * config.answers_per_prompt
        for experience in trainer.passes(experiences):
            with autocast(policy.device):
                new = algorithm.read(trainer.module, experience.batch)
                loss = algorithm.loss(new, new.detached(), experience) / answers
            trainer.backward(loss)
        trainer.step(number)

    return step


class LastStep(TrainerCallback):
    """Seconds of the trainer's last step."""

    seconds = 0.0

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        finish_device()
        self.began = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        finish_device()
        self.seconds = time.perf_counter() - self.began


def trl_trainer(config: PolicyConfig, prompts: Prompts, rows: int, timer: LastStep) -> RLOOTrainer:
    """Takes the prompts in their order, the same number in each step, and so many rows a pass."""
    answers = config.answers_per_prompt
    return RLOOTrainer(
        model=AutoModelForCausalLM.from_pretrained(config.base_model, dtype=torch.float32),
        reward_funcs=AutoModelForSequenceClassification.from_pretrained(
            config.reward_model, dtype=torch.float32
        ),
        reward_processing_classes=AutoTokenizer.from_pretrained(config.reward_model),
        processing_class=Chat(load_tokenizer(config.base_model)).tokenizer,
        args=RLOOConfig(
            output_dir=config.output,
            per_device_train_batch_size=rows,
            gradient_accumulation_steps=len(prompts) // config.steps * answers // rows,
            num_generations=answers,
            shuffle_dataset=False,
            max_completion_length=config.max_new_tokens,
            max_steps=config.steps,
            beta=config.beta,
            **trainer_settings(config),
        ),
        train_dataset=Dataset.from_list([{"prompt": prompt} for prompt in prompts]),
        peft_config=adapter_settings(config),
        callbacks=[timer],
    )


def run_ours(config: PolicyConfig, warming: Prompts, prompts: Prompts) -> float:
    """Seconds of the step with `prompts`."""
    step = our_step(config, prompts)
    step(0, warming)
    finish_device()
    began = time.perf_counter()
    step(1, prompts)
    finish_device()
    return time.perf_counter() - began


def run_trl(config: PolicyConfig, warming: Prompts, prompts: Prompts, length: int) -> float:
    """Seconds of the step with `prompts`, which are `length` tokens long."""
    timer, rows = LastStep(), len(prompts) * config.answers_per_prompt
    while rows > 1 and rows % 2 == 0 and rows * (length + config.max_new_tokens) > PEER_TOKENS:
        rows //= 2
    trl_trainer(config, warming + prompts, rows, timer).train()
    return timer.seconds


def main() -> None:
    task = json.loads(sys.argv[1])
    chat = Chat(load_tokenizer(task["model"]))
    prompts = prompts_of(chat, task["length"], task["prompts"])
    warming = prompts_of(chat, WARMING_LENGTH, task["prompts"])
    set_seed(task["seed"])
    with tempfile.TemporaryDirectory() as folder, peak_memory() as peak:
        config = PolicyConfig(
            snapshot="",
            base_model=task["model"],
            output=str(Path(folder, "policy")),
            reward_model=task["probe" if task["arm"] == "probe" else "classifier"],
            steps=STEPS,
            answers_per_prompt=task["answers"],
            max_new_tokens=task["new_tokens"],
            seed=task["seed"],
        )
        if task["arm"] == "trl":
            seconds = run_trl(config, warming, prompts, task["length"])
        else:
            seconds = run_ours(config, warming, prompts)
    print(json.dumps({"seconds": seconds, "peak_bytes": peak.bytes}))


if __name__ == "__main__":
    main()
