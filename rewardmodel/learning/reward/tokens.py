"""Every token of an answer as one layer sees it: what a weighing of tokens is learned from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rewardmodel.learning.core.distributed import autocast_frozen
from rewardmodel.learning.core.group_packing import EncodedGroup, Layout
from rewardmodel.learning.core.passes import in_passes
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


@dataclass(frozen=True)
class _PassReading:
    """What one forward pass read of k answers of a group, which begin at its answer `first`."""

    first: int
    hidden: Float[Tensor, "k layers poolings hidden"]
    tokens: Mapping[int, Sequence[Float[Tensor, "_ hidden"]]]


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
    layers give them; the arguments are otherwise those of `read_answers`."""
    network, done = reader.network, 0
    found: list[list[_PassReading]] = [[] for _ in groups]
    for chosen, batch in in_passes(layout, groups, pad, tokens, network.device):
        kept: dict[int, Tensor] = {}
        places = answer_positions(batch)

        def keep(
            number: int, hidden: Tensor, places: Tensor = places, kept: dict[int, Tensor] = kept
        ) -> None:
            kept[number] = hidden.flatten(0, 1)[places].float().cpu()

        with autocast_frozen(network.device), watching(network, layers, keep, stop=False):
            hidden = reader(batch).cpu()
        lengths = torch.bincount(batch.answer_of).tolist()
        by_answer = {layer: torch.split(states, lengths) for layer, states in kept.items()}
        start = 0
        for part in chosen:
            at = slice(start, start + len(part.answers))
            own = {layer: states[at] for layer, states in by_answer.items()}
            found[part.group].append(_PassReading(part.answers.start, hidden[at], own))
            start = at.stop
        done += start
        tell(done)
    return [_joined(passes, layers) for passes in found]


def _joined(passes: Sequence[_PassReading], layers: Sequence[int]) -> Reading:
    """What all passes read of one group, its answers in order."""
    parts = sorted(passes, key=lambda part: part.first)
    tokens = {layer: rounded([a for part in parts for a in part.tokens[layer]]) for layer in layers}
    return Reading(torch.cat([part.hidden for part in parts]), tokens)
