"""Adapters: few weights to train, beside a base model that stays as it is."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from transformers import PreTrainedModel

from annotation.generation.policy import with_adapter


def with_trainable_adapter(base: PreTrainedModel, adapter: str | None, rank: int) -> PeftModel:
    """The base with the adapter of that folder, or with a fresh one that changes nothing yet.

    A fresh one is LoRA (arXiv 2106.09685) of `rank` on every linear layer. Raises
    PolicyUnavailable.
    """
    if adapter is None:
        fresh = LoraConfig(
            task_type=TaskType.CAUSAL_LM,
            r=rank,
            lora_alpha=2 * rank,
            target_modules="all-linear",
        )
        return cast(PeftModel, get_peft_model(base, fresh))
    return with_adapter(base, adapter, is_trainable=True)


def save_adapter(adapted: PeftModel, folder: Path) -> None:
    """Its weights and its configuration, without PEFT's model card of blanks."""
    adapted.save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)
