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
    read: list[dict[int, tuple[list[Tensor], Tensor, list[Tensor]]]] = [{} for _ in groups]
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
            mine = list(by_answer[own]), hidden[own], shares[own]
            read[part.group][part.answers.start] = mine
            start = own.stop
    return [
        _joined(probe, group, [own for _, own in sorted(each.items())])
        for group, each in zip(groups, read, strict=True)
    ]


def _joined(
    probe: LinearProbe,
    group: EncodedGroup,
    parts: Sequence[tuple[list[Tensor], Tensor, list[Tensor]]],
) -> BaseReading:
    hidden = torch.cat([own for _, own, _ in parts])
    recipe, layers = probe.head.recipe, probe.reader.layers
    features = chosen_features(recipe, layers, hidden, log_lengths(group))
    shares = [share for *_, shares in parts for share in shares]
    # Every token has the same offset: undivided, it would make a short answer's tokens dear.
    offset = torch.stack([share.sum() for share in shares]).mean()
    shares = [share - offset / len(share) for share in shares]
    return BaseReading(
        [answer for answers, _, _ in parts for answer in answers],
        features,
        [share[:-1] for share in shares],
        torch.stack([share[-1] for share in shares]),
    )
