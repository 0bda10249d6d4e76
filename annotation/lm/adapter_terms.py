"""A model read as another version of its base, without a second copy of the weights.

An adapter adds s B A x to what a linear layer gives (arXiv 2106.09685). Here it is added, or taken
away again where it is merged into the weights, as the layer is read; the weights stay.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from annotation.lm.loading import PolicyUnavailable, fitting

if TYPE_CHECKING:
    from transformers import PreTrainedModel

UNLIKE = ("use_rslora", "use_dora", "lora_bias", "rank_pattern", "alpha_pattern")
PREFIX, A, B = "base_model.model.", ".lora_A.weight", ".lora_B.weight"

Terms = dict[str, tuple[Tensor, Tensor]]
"""Of each layer by its name: A [rank, in], and B [out, rank] with the scale in it."""


def load_terms(adapter: str, device: torch.device) -> Terms:
    """Of a plain LoRA adapter, as Laoshi trains them. Raises PolicyUnavailable."""
    from peft.utils import load_peft_weights

    with fitting(adapter):
        config = json.loads(Path(adapter, "adapter_config.json").read_text(encoding="utf-8"))
        if any(config.get(name) for name in UNLIKE):
            raise PolicyUnavailable(f"The adapter at {adapter} is no plain LoRA adapter.")
        weights = load_peft_weights(adapter, device=str(device))
        names = {name.removeprefix(PREFIX).removesuffix(A).removesuffix(B) for name in weights}
        scale = config["lora_alpha"] / config["r"]
        return {
            name: (weights[PREFIX + name + A], scale * weights[PREFIX + name + B]) for name in names
        }


@contextmanager
def reading_with(model: PreTrainedModel, terms: Terms, sign: int = 1) -> Iterator[None]:
    """Every pass of the model has the terms added; taken away where the sign is -1."""
    layers = dict(model.named_modules())
    handles = [
        layers[name].register_forward_hook(_adding(sign * b, a)) for name, (a, b) in terms.items()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _adding(b: Tensor, a: Tensor) -> Any:
    def add(_layer: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return output + (given[0].to(a.dtype) @ a.t() @ b.t()).to(output.dtype)

    return add
