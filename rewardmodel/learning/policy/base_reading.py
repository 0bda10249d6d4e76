"""The frozen base read once: the reference's log probabilities, and what a head on it reads.

A reward model that is a head on the policy's own base model needs no second model in memory, and
no second reading of the answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from annotation.lm.chat import Chat
from annotation.lm.completion import Completion
from rewardmodel.learning.core.distributed import autocast
from rewardmodel.learning.core.group_packing import AnswerLogProbs, EncodedGroup, Layout
from rewardmodel.learning.core.passes import in_passes
from rewardmodel.learning.reward.features import keeping, log_lengths
from rewardmodel.learning.reward.probe import LinearProbe, chosen_features


@dataclass(frozen=True)
class BaseReading:
    """Of one group: log probabilities of each answer's tokens, in nats, and what the head is given.

    The mean over an answer's tokens is a sum over them: of its score, beside the mean of the
    group's, `words` have what each token but the end has by itself, `end` what the end has. Where a
    head reads the last token or the length, that is not all of the score.
    """

    log_probs: list[Float[Tensor, " _"]]
    features: Float[Tensor, "K width"]
    words: list[Float[Tensor, " _"]]
    end: Float[Tensor, " K"]

    def of(self, group: EncodedGroup) -> list[Float[Tensor, " _"]]:
        """The log probabilities of the tokens that were sampled, without an end that was set."""
        both = zip(self.log_probs, group.answers, strict=True)
        return [found[: len(answer)] for found, answer in both]


def finished(group: EncodedGroup, sampled: Sequence[Completion], chat: Chat) -> EncodedGroup:
    """With an end to the answers that were cut: so a reward model reads them, as it learned to."""
    return EncodedGroup(
        group.prompt,
        [
            answer if completion.has_ended else [*answer, chat.end_of_turn]
            for answer, completion in zip(group.answers, sampled, strict=True)
        ],
    )


@dataclass(frozen=True)
class _PassReading:
    """What one forward pass read of k answers of a group, which begin at its answer `first`.

    `hidden` are pooled states, layer by layer. `shares` is how far each token lies along the head's
    directions, divided by the answer's tokens: their sum is what the head says of the mean.
    """

    first: int
    log_probs: Sequence[Float[Tensor, " _"]]
    hidden: Float[Tensor, "k layers poolings hidden"]
    shares: Sequence[Float[Tensor, " _"]]


@torch.no_grad()
def read_base(
    log_probs: AnswerLogProbs,
    probe: LinearProbe,
    layout: Layout,
    groups: Sequence[EncodedGroup],
    pad: int,
    tokens: int,
) -> list[BaseReading]:
    """Of groups whose answers all have an end. `log_probs` are of the network that the probe reads,
    as the reference; `tokens` bounds one forward pass."""
    device, layers = probe.network.device, probe.reader.layers
    directions = probe.head.directions()
    read: list[list[_PassReading]] = [[] for _ in groups]
    for chosen, batch in in_passes(layout, groups, pad, tokens, device):
        watching = keeping(probe.network, batch, layers, directions, stop=False)
        with autocast(device), watching as kept:
            found = log_probs(batch)
        hidden = torch.stack([kept.pooled[layer] for layer in layers], dim=1).cpu()
        lengths = torch.bincount(batch.answer_of).tolist()
        by_answer = found.split(lengths)
        along = sum(kept.along.values(), torch.zeros_like(found))
        shares = [each.cpu() / len(each) for each in torch.split(along, lengths)]
        start = 0
        for part in chosen:
            own = slice(start, start + len(part.answers))
            mine = _PassReading(part.answers.start, by_answer[own], hidden[own], shares[own])
            read[part.group].append(mine)
            start = own.stop
    return [_joined(probe, *both) for both in zip(groups, read, strict=True)]


def _joined(probe: LinearProbe, group: EncodedGroup, passes: Sequence[_PassReading]) -> BaseReading:
    """What all passes read of the group, its answers in order."""
    parts = sorted(passes, key=lambda part: part.first)
    hidden = torch.cat([part.hidden for part in parts])
    recipe, layers = probe.head.recipe, probe.reader.layers
    features = chosen_features(recipe, layers, hidden, log_lengths(group))
    shares = [share for part in parts for share in part.shares]
    # Every token has the same offset: undivided, it would make a short answer's tokens dear.
    offset = torch.stack([share.sum() for share in shares]).mean()
    shares = [share - offset / len(share) for share in shares]
    return BaseReading(
        [answer for part in parts for answer in part.log_probs],
        features,
        [share[:-1] for share in shares],
        torch.stack([share[-1] for share in shares]),
    )
