"""Adapters: few weights to train, beside a base model that stays as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from peft.tuners import lora
from torch import Tensor, nn
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


def fuse_adapters(module: nn.Module) -> None:
    """Lets PEFT's linear layers inside compute faster; weights and their names stay."""
    for layer in module.modules():
        if type(layer) is lora.Linear:
            layer.__class__ = FusedLora


class FusedLora(lora.Linear):
    """W x + B (s A x): scale and sum in the product, where PEFT passes over the output three times.

    For one plain adapter on the CPU; anything else is PEFT's.
    """

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        name = self._only_adapter()
        if name is None or args or kwargs or x.device.type != "cpu":
            return super().forward(x, *args, **kwargs)
        read = self.lora_A[name](x) * self.scaling[name]
        base = self.base_layer(x)
        sums = torch.addmm(
            base.flatten(0, -2), read.flatten(0, -2), cast(Tensor, self.lora_B[name].weight).t()
        )
        return sums.view_as(base)

    def _only_adapter(self) -> str | None:
        """The one that is to be added, if it is one alone, without dropout, bias or variant."""
        if self.disable_adapters or self.merged or len(self.active_adapters) != 1:
            return None
        [name] = self.active_adapters
        if name not in self.lora_A or name in self.lora_variant:
            return None
        drops = self.training and not isinstance(self.lora_dropout[name], nn.Identity)
        return None if drops or self.lora_B[name].bias is not None else str(name)
