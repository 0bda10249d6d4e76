"""What a frozen language model knows of an answer: hidden states of some layers, pooled.

A reward model that reads the last layer at one token learns little from few rankings; the mean over
an answer's tokens in the middle layers knows more (docs/learning.md has the measurements).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel

from annotation.exchange.wording import gettext_noop
from annotation.lm.loading import PolicyUnavailable
from rewardmodel.learning.core.group_packing import (
    EncodedGroup,
    GroupBatch,
    Layout,
)
from rewardmodel.learning.core.passes import read_answers

POOLINGS = ("mean", "end")
"""The mean over the answer's tokens, and its last token alone."""
NO_LAYERS = gettext_noop(
    "{kind} has no list of {count} layers to read: use another base model, or method 'finetune'."
)


class _DeepEnough(Exception):
    """The deepest layer that is asked for has been read: the pass need not go on."""


@dataclass
class _Kept:
    """What the layers gave in one pass, by the number of layers below and with each: pooled, and
    how far each answer token lies along a direction, where one is asked for."""

    pooled: dict[int, Tensor] = field(default_factory=dict)
    along: dict[int, Tensor] = field(default_factory=dict)


def decoder_layers(network: PreTrainedModel) -> list[nn.Module]:
    """The model's layers, first to last. Raises PolicyUnavailable where they are no plain list."""
    count = network.config.get_text_config().num_hidden_layers
    for module in network.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return list(module)
    raise PolicyUnavailable(NO_LAYERS, kind=type(network).__name__, count=count)


class FeatureReader(nn.Module):
    """Reads answers as the `layers` of a language model see them; 1 is the lowest."""

    def __init__(self, network: PreTrainedModel, layers: Sequence[int]) -> None:
        super().__init__()
        self.network = network
        self.layers = tuple(layers)
        decoder_layers(network)

    def forward(self, batch: GroupBatch) -> Float[Tensor, "N layers poolings hidden"]:
        """Of each answer, layer by layer, what POOLINGS name; in float32."""
        with keeping(self.network, batch, self.layers) as kept:
            self.network.base_model(**batch.inputs)
        return torch.stack([kept.pooled[layer] for layer in self.layers], dim=1)


@contextmanager
def keeping(
    network: PreTrainedModel,
    batch: GroupBatch,
    layers: Sequence[int],
    directions: Mapping[int, Float[Tensor, " hidden"]] | None = None,
    *,
    stop: bool = True,
) -> Iterator[_Kept]:
    """Keeps what the layers give in the pass inside, which ends at the deepest one if it may.

    `directions` are those along which each token of some layers is measured.
    """
    kept, every = _Kept(), decoder_layers(network)
    tokens, wanted = answer_positions(batch), directions or {}

    def keep(number: int) -> None:
        def hook(module: nn.Module, given: object, output: Tensor | tuple[Tensor, ...]) -> None:
            hidden = output if isinstance(output, Tensor) else output[0]
            kept.pooled[number] = pooled(hidden, batch, tokens)
            if number in wanted:
                direction = wanted[number].to(hidden.device)
                kept.along[number] = hidden.flatten(0, 1)[tokens].float() @ direction
            if stop and number == max(layers):
                raise _DeepEnough

        handles.append(every[number - 1].register_forward_hook(hook))

    handles: list[torch.utils.hooks.RemovableHandle] = []
    try:
        for layer in layers:
            keep(layer)
        with suppress(_DeepEnough):
            yield kept
    finally:
        for handle in handles:
            handle.remove()


def answer_positions(batch: GroupBatch) -> Int[Tensor, " T"]:
    """Where in the flattened rows each answer token lies."""
    lengths = torch.bincount(batch.answer_of, minlength=len(batch.ends))
    first = torch.repeat_interleave(lengths.cumsum(0) - lengths, lengths)
    within = torch.arange(len(batch.answer_of), device=lengths.device) - first
    return (batch.ends - lengths + 1)[batch.answer_of] + within


def pooled(
    hidden: Float[Tensor, "B L hidden"], batch: GroupBatch, tokens: Int[Tensor, " T"]
) -> Float[Tensor, "N poolings hidden"]:
    """One layer's states, pooled as POOLINGS say."""
    flat = hidden.flatten(0, 1)
    sums = flat.new_zeros(len(batch.ends), flat.shape[-1], dtype=torch.float32)
    sums = sums.index_add(0, batch.answer_of, flat[tokens].float())
    lengths = torch.bincount(batch.answer_of, minlength=len(batch.ends))
    return torch.stack([sums / lengths[:, None], flat[batch.ends].float()], dim=1)


def log_lengths(group: EncodedGroup) -> Float[Tensor, " K"]:
    """Of each answer, the logarithm of its tokens."""
    return torch.tensor([len(answer) for answer in group.answers]).float().log()


def read_features(
    reader: FeatureReader,
    layout: Layout,
    groups: Sequence[EncodedGroup],
    pad: int,
    tokens: int,
    tell: Callable[[int], None] = lambda read: None,
) -> list[Float[Tensor, "_ layers poolings hidden"]]:
    """The features of each group's answers; the arguments are those of `read_answers`."""
    return read_answers(reader, reader.network.device, layout, groups, pad, tokens, tell)
