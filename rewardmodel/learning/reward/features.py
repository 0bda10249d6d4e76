"""What a frozen language model knows of an answer: hidden states of some layers, pooled.

A reward model that reads the last layer at one token learns little from few rankings; the mean over
an answer's tokens in the middle layers knows more (docs/learning.md has the measurements).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel

from annotation.exchange.wording import gettext_noop
from annotation.lm.loading import PolicyUnavailable
from rewardmodel.learning.core.distributed import autocast_frozen
from rewardmodel.learning.core.group_packing import (
    EncodedGroup,
    GroupBatch,
    Layout,
)
from rewardmodel.learning.core.passes import read_answers

POOLINGS = ("mean", "end")
"""The mean over the answer's tokens, and its last token alone."""
ATTENTION = "attention"
"""The answer's tokens weighed by a softmax over how far each lies along a learned query."""
NO_LAYERS = gettext_noop(
    "{kind} has no list of {count} layers to read: use another base model, or method 'finetune'."
)


class _DeepEnough(Exception):
    """The deepest layer that is asked for has been read: the pass need not go on."""


@dataclass
class _Kept:
    """What the layers gave in one pass, by the number of layers below and with each: pooled, and
    how far each answer token lies along a direction, where one is asked for. `shares` are the
    tokens' in what is pooled from all of an answer's."""

    pooled: dict[int, Tensor] = field(default_factory=dict)
    along: dict[int, Tensor] = field(default_factory=dict)
    shares: Tensor | None = None


def decoder_layers(network: PreTrainedModel) -> list[nn.Module]:
    """The model's layers, first to last. Raises PolicyUnavailable where they are no plain list."""
    count = network.config.get_text_config().num_hidden_layers
    for module in network.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return list(module)
    raise PolicyUnavailable(NO_LAYERS, kind=type(network).__name__, count=count)


class FeatureReader(nn.Module):
    """Reads answers as the `layers` of a language model see them; 1 is the lowest. With a `query`
    there is one layer, and ATTENTION is a pooling, too."""

    def __init__(
        self,
        network: PreTrainedModel,
        layers: Sequence[int],
        query: Float[Tensor, " hidden"] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.layers = tuple(layers)
        self.query = query
        decoder_layers(network)

    def forward(self, batch: GroupBatch) -> Float[Tensor, "N layers poolings hidden"]:
        """Of each answer, layer by layer, what POOLINGS name, and ATTENTION; in float32."""
        with keeping(self.network, batch, self.layers, self.query) as kept:
            self.network.base_model(**batch.inputs)
        return torch.stack([kept.pooled[layer] for layer in self.layers], dim=1)


@contextmanager
def keeping(
    network: PreTrainedModel,
    batch: GroupBatch,
    layers: Sequence[int],
    query: Float[Tensor, " hidden"] | None = None,
    directions: Mapping[int, Float[Tensor, " hidden"]] | None = None,
    *,
    stop: bool = True,
) -> Iterator[_Kept]:
    """Keeps what the layers give in the pass inside, which ends at the deepest one if it may.

    `query` as FeatureReader has it; `directions` are those along which each token of some layers is
    measured.
    """
    kept, wanted = _Kept(), directions or {}
    tokens, answer_of = answer_positions(batch), batch.answer_of
    lengths = torch.bincount(answer_of, minlength=len(batch.ends))

    def keep(number: int, hidden: Float[Tensor, "B L hidden"]) -> None:
        states = hidden.flatten(0, 1)[tokens].float()
        kept.shares = (1 / lengths)[answer_of]
        found = [weighed_sum(states, kept.shares, answer_of, len(lengths))]
        found.append(hidden.flatten(0, 1)[batch.ends].float())
        with torch.autocast(hidden.device.type, enabled=False):
            if query is not None:
                kept.shares = attention_shares(states @ query.to(states), answer_of, len(lengths))
                found.append(weighed_sum(states, kept.shares, answer_of, len(lengths)))
            if number in wanted:
                kept.along[number] = states @ wanted[number].to(states)
        kept.pooled[number] = torch.stack(found, dim=1)

    with watching(network, layers, keep, stop=stop):
        yield kept


@contextmanager
def watching(
    network: PreTrainedModel,
    layers: Sequence[int],
    keep: Callable[[int, Float[Tensor, "B L hidden"]], None],
    *,
    stop: bool = True,
) -> Iterator[None]:
    """Calls `keep` with the number of each of the layers and its states in the pass inside, which
    ends at the deepest one if it may."""
    every = decoder_layers(network)

    def hook(
        number: int, module: nn.Module, given: object, output: Tensor | tuple[Tensor, ...]
    ) -> None:
        keep(number, output if isinstance(output, Tensor) else output[0])
        if stop and number == max(layers):
            raise _DeepEnough

    handles = [every[n - 1].register_forward_hook(partial(hook, n)) for n in layers]
    try:
        with suppress(_DeepEnough):
            yield
    finally:
        for handle in handles:
            handle.remove()


def answer_positions(batch: GroupBatch) -> Int[Tensor, " T"]:
    """Where in the flattened rows each answer token lies."""
    lengths = torch.bincount(batch.answer_of, minlength=len(batch.ends))
    first = torch.repeat_interleave(lengths.cumsum(0) - lengths, lengths)
    within = torch.arange(len(batch.answer_of), device=lengths.device) - first
    return (batch.ends - lengths + 1)[batch.answer_of] + within


def weighed_sum(
    states: Float[Tensor, "T hidden"],
    shares: Float[Tensor, " T"],
    answer_of: Int[Tensor, " T"],
    answers: int,
) -> Float[Tensor, "N hidden"]:
    """Of each answer's tokens."""
    sums = states.new_zeros(answers, states.shape[-1])
    return sums.index_add(0, answer_of, shares[:, None] * states)


def attention_shares(
    along: Float[Tensor, " T"], answer_of: Int[Tensor, " T"], answers: int
) -> Float[Tensor, " T"]:
    """The softmax of `along` over each answer's tokens."""
    most = along.new_full((answers,), -torch.inf)
    most = most.scatter_reduce(0, answer_of, along.detach(), "amax")
    each = (along - most[answer_of]).exp()
    return each / along.new_zeros(answers).index_add(0, answer_of, each)[answer_of]


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
    device = reader.network.device
    return read_answers(reader, device, layout, groups, pad, tokens, tell, autocast_frozen)
