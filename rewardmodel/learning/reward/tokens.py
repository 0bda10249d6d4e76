"""Every token of an answer as one layer sees it: what a weighing of tokens is learned from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from rewardmodel.learning.core.distributed import autocast_frozen
from rewardmodel.learning.core.group_packing import EncodedGroup, Layout
from rewardmodel.learning.core.passes import in_passes
from rewardmodel.learning.reward.features import (
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


@torch.no_grad()
def read_tokens(
    network: PreTrainedModel,
    layer: int,
    layout: Layout,
    groups: Sequence[EncodedGroup],
    pad: int,
    tokens: int,
    tell: Callable[[int], None] = lambda read: None,
) -> list[TokenStates]:
    """Of each group's answers, as `layer` gives them; the arguments are those of `read_answers`."""
    found: list[dict[int, list[Tensor]]] = [{} for _ in groups]
    done = 0
    for chosen, batch in in_passes(layout, groups, pad, tokens, network.device):
        kept: list[Tensor] = []
        places = answer_positions(batch)

        def keep(
            number: int, hidden: Tensor, places: Tensor = places, kept: list[Tensor] = kept
        ) -> None:
            kept.append(hidden.flatten(0, 1)[places].float().cpu())

        with autocast_frozen(network.device), watching(network, (layer,), keep):
            network.base_model(**batch.inputs)
        answers = list(torch.split(kept[0], torch.bincount(batch.answer_of).tolist()))
        for part in chosen:
            own, answers = answers[: len(part.answers)], answers[len(part.answers) :]
            found[part.group][part.answers.start] = own
            done += len(own)
        tell(done)
    return [rounded([a for _, own in sorted(each.items()) for a in own]) for each in found]
