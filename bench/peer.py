"""What TRL's trainers are told in the benches, so that they do what ours do."""

from typing import Any

import torch
from peft import LoraConfig, TaskType

from rewardmodel.learning.configs import PolicyConfig, RewardConfig


def trainer_settings(config: PolicyConfig | RewardConfig) -> dict[str, Any]:
    """Optimiser, schedule, dtype and seed of `config`; nothing saved, nothing logged."""
    gpu = torch.cuda.is_available()
    rate = config.peak_learning_rate if isinstance(config, PolicyConfig) else config.learning_rate
    return {
        "learning_rate": rate,
        "lr_scheduler_type": "cosine_with_min_lr",
        "lr_scheduler_kwargs": {"min_lr_rate": config.final_learning_rate},
        "adam_epsilon": config.adam_epsilon,
        "max_grad_norm": config.gradient_clip,
        "weight_decay": config.weight_decay,
        "gradient_checkpointing": False,
        "bf16": gpu,
        "use_cpu": not gpu,
        "seed": config.seed,
        "save_strategy": "no",
        "logging_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
    }


def adapter_settings(config: PolicyConfig) -> LoraConfig:
    """The adapter that our policies train."""
    return LoraConfig(
        task_type=TaskType.CAUSAL_LM,
        r=config.lora_rank,
        lora_alpha=2 * config.lora_rank,
        target_modules="all-linear",
    )
