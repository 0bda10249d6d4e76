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
from rewardmodel.learning.core.group_packing import AnswerLogProbs, EncodedGroup, GroupBatch, Layout
from rewardmodel.learning.core.passes import read_each
from rewardmodel.learning.reward.features import keeping, log_lengths
from rewardmodel.learning.reward.probe import LinearProbe, chosen_features


@dataclass(frozen=True)
class BaseReading:
    """Of one group: log probabilities of each answer's tokens, in nats, and what the head is given.

    The mean over an answer's tokens, or a head's own weighing of them, is a sum over them: of its
    score, beside the mean of the group's, `words` have what each token but the end has by itself,
    `end` what the end has. Where a head reads the last token or the length, that is not all of the
    score.
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
class _AnswerReading:
    """What is read of one answer of T tokens.

    `hidden` are pooled states, layer by layer. `own` is how far each token lies along the head's
    directions, and `shares` how much it counts in its answer: the sum of both multiplied is what
    the head says of all tokens together.
    """

    log_probs: Float[Tensor, " T"]
    hidden: Float[Tensor, "layers poolings hidden"]
    own: Float[Tensor, " T"]
    shares: Float[Tensor, " T"]


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

    def read(batch: GroupBatch) -> list[_AnswerReading]:
        reading = keeping(probe.network, batch, layers, probe.head.query, directions, stop=False)
        with autocast(device), reading as kept:
            found = log_probs(batch)
        hidden = torch.stack([kept.pooled[layer] for layer in layers], dim=1).cpu()
        lengths = torch.bincount(batch.answer_of).tolist()
        along = sum(kept.along.values(), torch.zeros_like(found))
        shares = torch.zeros_like(found) if kept.shares is None else kept.shares
        own, by_share = (torch.split(each.cpu(), lengths) for each in (along, shares))
        every = zip(found.split(lengths), hidden, own, by_share, strict=True)
        return [_AnswerReading(*each) for each in every]

    answers = read_each(read, device, layout, groups, pad, tokens)
    return [_joined(probe, *both) for both in zip(groups, answers, strict=True)]


def _joined(
    probe: LinearProbe, group: EncodedGroup, answers: Sequence[_AnswerReading]
) -> BaseReading:
    hidden = torch.stack([answer.hidden for answer in answers])
    recipe, layers = probe.head.recipe, probe.reader.layers
    features = chosen_features(recipe, layers, hidden, log_lengths(group))
    # Every token has the same offset: undivided, it would make a short answer's tokens dear.
    offset = torch.stack([(answer.own * answer.shares).sum() for answer in answers]).mean()
    earned = [answer.shares * (answer.own - offset) for answer in answers]
    return BaseReading(
        [answer.log_probs for answer in answers],
        features,
        [each[:-1] for each in earned],
        torch.stack([each[-1] for each in earned]),
    )
