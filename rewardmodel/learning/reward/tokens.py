"""Every token of an answer as one layer sees it: what a weighing of tokens is learned from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rewardmodel.learning.core.distributed import autocast_frozen
from rewardmodel.learning.core.group_packing import EncodedGroup, GroupBatch, Layout
from rewardmodel.learning.core.passes import read_each
from rewardmodel.learning.reward.features import (
    FeatureReader,
    answer_positions,
    attention_shares,
    watching,
    weighed_sum,
)


@dataclass(frozen=True)
class TokenStates:
    """The tokens of one group's K answers, one answer after the other: in half precision, each
    divided by its `scale`, which is its largest value."""

    states: Float[Tensor, "T hidden"]
    scale: Float[Tensor, "T 1"]
    answer_of: Int[Tensor, " T"]

    @property
    def exact(self) -> Float[Tensor, "T hidden"]:
        return self.states.float() * self.scale

    def attended(self, query: Float[Tensor, " hidden"]) -> Float[Tensor, "K hidden"]:
        """Each answer's, pooled by ATTENTION."""
        states, answers = self.exact, int(self.answer_of[-1]) + 1
        shares = attention_shares(states @ query, self.answer_of, answers)
        return weighed_sum(states, shares, self.answer_of, answers)


def rounded(answers: Sequence[Float[Tensor, "_ hidden"]]) -> TokenStates:
    """Of one group's answers."""
    states = torch.cat(list(answers)).float()
    scale = states.abs().amax(1, keepdim=True).clamp(min=1e-12)
    lengths = torch.tensor([len(answer) for answer in answers])
    answer_of = torch.repeat_interleave(torch.arange(len(lengths)), lengths)
    return TokenStates((states / scale).half(), scale, answer_of)


@dataclass(frozen=True)
class Reading:
    """Of one group's K answers: features, and their tokens, by the layer that gave them."""

    hidden: Float[Tensor, "K layers poolings hidden"]
    tokens: Mapping[int, TokenStates]


@torch.no_grad()
def read_with_tokens(
    reader: FeatureReader,
    layers: Sequence[int],
    layout: Layout,
    groups: Sequence[EncodedGroup],
    pad: int,
    tokens: int,
    tell: Callable[[int], None] = lambda read: None,
) -> list[Reading]:
    """Of each group's answers, in one pass, what `reader` reads and the tokens as some of its
    layers give them; the arguments are otherwise those of `read_each`."""
    network = reader.network

    def read(batch: GroupBatch) -> list[tuple[Tensor, dict[int, Tensor]]]:
        kept: dict[int, Tensor] = {}
        places = answer_positions(batch)

        def keep(number: int, hidden: Tensor) -> None:
            kept[number] = hidden.flatten(0, 1)[places].float().cpu()

        with autocast_frozen(network.device), watching(network, layers, keep, stop=False):
            hidden = reader(batch).cpu()
        lengths = torch.bincount(batch.answer_of).tolist()
        states = {layer: torch.split(found, lengths) for layer, found in kept.items()}
        return [
            (own, {layer: found[place] for layer, found in states.items()})
            for place, own in enumerate(hidden)
        ]

    return [
        Reading(
            torch.stack([hidden for hidden, _ in answers]),
            {layer: rounded([states[layer] for _, states in answers]) for layer in layers},
        )
        for answers in read_each(read, network.device, layout, groups, pad, tokens, tell)
    ]
