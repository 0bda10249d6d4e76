"""Seconds a step of the policy update: this project's RLOO against TRL's RLOOTrainer.

    pip install -r requirements-bench.txt
    python bench/policy.py --model FOLDER [--repeats 3] [--full] [--json]

Same base, reward model, adapter rank, prompts, answers, dtype and optimiser, in turn: ours runs
after each step of TRL's trainer, in the same process. The reward model has a random head: what
it scores does not change the work. --full takes 10 repeats.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch
from datasets import Dataset
from peft import LoraConfig, TaskType
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    TrainerCallback,
)
from trl.trainer.rloo_config import RLOOConfig
from trl.trainer.rloo_trainer import RLOOTrainer

from annotation.generation.chat import Chat, Message
from annotation.generation.policy import load_tokenizer
from bench.interleaved import Row, measured, prompt_of, publish
from rewardmodel.learning.algorithms import Rloo
from rewardmodel.learning.configs import PolicyConfig
from rewardmodel.learning.optimisation import Learner, new_accelerator
from rewardmodel.learning.reward_model import new_reward_model, save_reward_model
from rewardmodel.learning.rollout import AdaptedPolicy, seeds_of

Prompts = list[list[Message]]


class OurStep:
    """Sample, score, reference, update, as train_policy.py does it."""

    def __init__(self, config: PolicyConfig, prompts: Prompts) -> None:
        self.config, self.prompts, self.step = config, prompts, 0
        accelerator = new_accelerator()
        self.policy = AdaptedPolicy(config, accelerator.device, prompts)
        self.algorithm = Rloo(config, self.policy)
        self.learner = Learner(
            accelerator, self.algorithm.module, config, config.learning_rate, config.steps
        )

    def __call__(self) -> None:
        config, places = self.config, range(len(self.prompts))
        seeds = [seeds_of(config, self.step, i, config.answers_per_prompt) for i in places]
        rollouts = self.policy.rollouts(self.prompts, seeds)
        experiences = list(self.policy.experiences(rollouts))
        answers = len(self.prompts) * config.answers_per_prompt
        loss = self.learner.accumulate(
            experiences, lambda e: self.algorithm.loss(e, self.learner.module) / answers
        )
        self.learner.update(self.step, loss)
        self.step += 1


class InTurn(TrainerCallback):
    """Times the trainer's step, then runs and times ours; the first step of both warms up."""

    def __init__(self, ours: OurStep, row: Row) -> None:
        self.ours, self.row = ours, row
        self.turn: Any = None

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self.turn = measured()
        self.peer = self.turn.__enter__()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.turn.__exit__(None, None, None)
        with measured() as ours:
            self.ours()
        if self.ours.step > 1:
            self.row.ours.append(ours.seconds)
            self.row.peer.append(self.peer.seconds)
            self.row.peaks.append((ours.peak, self.peer.peak))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--model", required=True, help="folder of a chat model")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--prompts", type=int, default=4)
    parser.add_argument("--answers", type=int, default=4)
    parser.add_argument("--lengths", type=int, nargs="+", default=[110, 700], help="tokens")
    parser.add_argument("--new-tokens", type=int, default=48)
    parser.add_argument("--full", action="store_true", help="10 repeats")
    parser.add_argument("--json", action="store_true")
    flags = parser.parse_args()
    repeats = 10 if flags.full else flags.repeats
    chat, rows = Chat(load_tokenizer(flags.model)), []
    with tempfile.TemporaryDirectory() as folder:
        reward_model = Path(folder, "reward")
        model = new_reward_model(flags.model, chat, None)
        torch.nn.init.normal_(model.network.score.weight)  # type: ignore[arg-type,union-attr]
        save_reward_model(model, chat, reward_model, 0.0, 1.0)
        for length in flags.lengths:
            row = Row(f"prompt {length}, {flags.prompts} x {flags.answers}", "s/step", False)
            config = PolicyConfig(
                snapshot="",
                base_model=flags.model,
                output=folder,
                reward_model=str(reward_model),
                steps=repeats + 1,
                answers_per_prompt=flags.answers,
                max_new_tokens=flags.new_tokens,
                tokens_per_batch=2048,
            )
            prompts = [[_question(chat, length, number)] for number in range(flags.prompts)]
            _trl(config, prompts, InTurn(OurStep(config, prompts), row)).train()
            rows.append(row)
    print(f"{flags.new_tokens} new tokens an answer, {repeats} repeats in turn")
    publish(rows, flags.json)


def _trl(config: PolicyConfig, prompts: Prompts, in_turn: InTurn) -> RLOOTrainer:
    answers = config.answers_per_prompt
    return RLOOTrainer(
        model=AutoModelForCausalLM.from_pretrained(config.base_model, dtype=torch.float32),
        reward_funcs=AutoModelForSequenceClassification.from_pretrained(
            config.reward_model, dtype=torch.float32
        ),
        reward_processing_classes=AutoTokenizer.from_pretrained(config.reward_model),
        processing_class=Chat(load_tokenizer(config.base_model)).tokenizer,
        args=RLOOConfig(
            output_dir=str(Path(config.output, "trl")),
            per_device_train_batch_size=len(prompts) * answers,
            num_generations=answers,
            max_completion_length=config.max_new_tokens,
            max_steps=config.steps,
            learning_rate=config.learning_rate,
            beta=config.beta,
            adam_epsilon=config.adam_epsilon,
            max_grad_norm=config.gradient_clip,
            gradient_checkpointing=False,
            bf16=torch.cuda.is_available(),
            use_cpu=not torch.cuda.is_available(),
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            report_to=[],
        ),
        train_dataset=Dataset.from_list([{"prompt": prompt} for prompt in prompts]),
        peft_config=LoraConfig(
            task_type=TaskType.CAUSAL_LM,
            r=config.lora_rank,
            lora_alpha=2 * config.lora_rank,
            target_modules="all-linear",
        ),
        callbacks=[in_turn],
    )


def _question(chat: Chat, tokens: int, number: int) -> Message:
    def tokens_of(text: str) -> int:
        return len(chat.prompt_ids([{"role": "user", "content": text}]))

    return {"role": "user", "content": prompt_of(tokens_of, tokens, number)}


if __name__ == "__main__":
    main()
