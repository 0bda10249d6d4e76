"""Adapters: few weights to train, beside a base model that stays as it is."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from transformers import PreTrainedModel

from annotation.lm.loading import DAMAGE, PolicyUnavailable, brief, with_adapter


def with_fresh_adapter(
    base: PreTrainedModel, rank: int, task: TaskType = TaskType.CAUSAL_LM
) -> PeftModel:
    """The base with LoRA (arXiv 2106.09685) of `rank` on every linear layer; changes nothing yet.

    With the task SEQ_CLS the classification head is trained too, whole. Raises PolicyUnavailable.
    """
    config = LoraConfig(task_type=task, r=rank, lora_alpha=2 * rank, target_modules="all-linear")
    try:
        return cast(PeftModel, get_peft_model(base, config))
    except DAMAGE as error:
        raise PolicyUnavailable(
            f"PEFT puts no adapter on a {type(base).__name__}: {brief(error)} Train all weights "
            "(full), where the stage can, or use another base model."
        ) from error


def with_trainable_adapter(base: PreTrainedModel, adapter: str | None, rank: int) -> PeftModel:
    """The base with the adapter of that folder, else a fresh one. Raises PolicyUnavailable."""
    if adapter is None:
        return with_fresh_adapter(base, rank)
    return with_adapter(base, adapter, is_trainable=True)


def save_adapter(adapted: PeftModel, folder: Path) -> None:
    """Its weights and its configuration, without PEFT's model card of blanks."""
    adapted.save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)
