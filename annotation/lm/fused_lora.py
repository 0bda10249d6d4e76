"""Adapters that compute faster: PEFT's linear layers with scale and sum in one product."""

from __future__ import annotations

from typing import Any, cast

import torch
from peft.tuners import lora
from torch import Tensor, nn


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
