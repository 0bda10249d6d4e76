"""Prompt groups as model input: [prompt | answer 1 | ... | answer K] in one row.

Positions restart at the prompt's end for each answer, and the mask lets an answer see the prompt
and itself only, so that the result equals K separate rows at the cost of P + K R tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel

from annotation.lm.decoding import logits_at
from annotation.lm.packed_attention import Packing
from annotation.lm.shared_prompt_attention import UNUSED_MASK


@dataclass(frozen=True)
class EncodedGroup:
    """Token ids of one prompt and its answers; no list is empty."""

    prompt: list[int]
    answers: list[list[int]]

    @property
    def tokens(self) -> int:
        return len(self.prompt) + sum(map(len, self.answers))


@dataclass(frozen=True)
class GroupBatch:
    """Groups laid out as B rows of length L, with N answers of T tokens in all.

    packed: where the groups of packed rows are, which then have no use for the mask.
    ends: where in the flattened B * L positions each answer's last token lies.
    sources: the positions that predict an answer token.
    slots: which of the true `sources`, counted in row order, predicts each answer token.
    targets: the answer tokens. answer_of: to which of the N answers each belongs.
    """

    input_ids: Int[Tensor, "B L"]
    position_ids: Int[Tensor, "B L"]
    attention_mask: Int[Tensor, "B L"]
    ends: Int[Tensor, " N"]
    sources: Bool[Tensor, "B L"]
    slots: Int[Tensor, " T"]
    targets: Int[Tensor, " T"]
    answer_of: Int[Tensor, " T"]
    packed: Packing | None = None

    def to(self, device: torch.device) -> GroupBatch:
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{n: v.to(device) for n, v in given.items() if v is not None})

    @property
    def inputs(self) -> dict[str, Any]:
        """What a network is called with."""
        inputs = {
            "input_ids": self.input_ids,
            "position_ids": self.position_ids,
            "attention_mask": self.attention_mask,
            "use_cache": False,
        }
        if self.packed is None:
            return inputs
        return {**inputs, "attention_mask": UNUSED_MASK, "packed": self.packed}


@runtime_checkable
class Layout(Protocol):
    """A way to lay groups out as rows."""

    def __call__(self, groups: Sequence[EncodedGroup], pad: int) -> GroupBatch:
        """The rows, filled up with `pad`."""

    def tokens(self, groups: Sequence[EncodedGroup]) -> int:
        """How many the rows of these groups hold, padding included."""


class _Packed:
    """One row a group: the prompts in the first columns, then the answers, each part padded.

    A prompt's padding is on its right, so that plain causal attention keeps it out of sight.
    """

    def __call__(self, groups: Sequence[EncodedGroup], pad: int) -> GroupBatch:
        width = max(len(group.prompt) for group in groups)
        rows = []
        for group in groups:
            spans, start = [], width
            for answer in group.answers:
                spans.append(range(start, start + len(answer)))
                start += len(answer)
            rows.append(_Row(group.prompt, group.answers, spans))
        places = [
            (len(g.prompt), width - len(g.prompt), [len(answer) for answer in g.answers])
            for g in groups
        ]
        return replace(_lay_out(rows, pad), packed=Packing(places))

    def tokens(self, groups: Sequence[EncodedGroup]) -> int:
        width = max(len(group.prompt) for group in groups)
        answers = max(sum(map(len, group.answers)) for group in groups)
        return len(groups) * (width + answers)


class _Unpacked:
    """One row an answer, for models that cannot read packed rows; same results, more tokens."""

    def __call__(self, groups: Sequence[EncodedGroup], pad: int) -> GroupBatch:
        rows = [
            _Row(group.prompt, [answer], [range(len(group.prompt), len(group.prompt + answer))])
            for group in groups
            for answer in group.answers
        ]
        return _lay_out(rows, pad)

    def tokens(self, groups: Sequence[EncodedGroup]) -> int:
        longest = max(len(group.prompt) + max(map(len, group.answers)) for group in groups)
        return longest * sum(len(group.answers) for group in groups)


pack: Layout = _Packed()
unpack: Layout = _Unpacked()


@dataclass(frozen=True)
class _Row:
    prompt: list[int]
    answers: list[list[int]]
    spans: list[range]


def _lay_out(rows: list[_Row], pad: int) -> GroupBatch:
    length = max(row.spans[-1].stop for row in rows)
    input_ids = torch.full((len(rows), length), pad)
    position_ids = torch.zeros_like(input_ids)
    attention_mask = torch.zeros_like(input_ids)
    ends: list[int] = []
    sources, targets, answer_of = [], [], []
    for b, row in enumerate(rows):
        width = len(row.prompt)
        input_ids[b, :width] = torch.tensor(row.prompt)
        position_ids[b, :width] = torch.arange(width)
        attention_mask[b, :width] = 1
        for answer, span in zip(row.answers, row.spans, strict=True):
            tokens = torch.tensor(answer)
            place = slice(span.start, span.stop)
            input_ids[b, place] = tokens
            position_ids[b, place] = torch.arange(width, width + len(answer))
            attention_mask[b, place] = 1
            sources.append(b * length + torch.tensor([width - 1, *span[:-1]]))
            targets.append(tokens)
            answer_of.append(torch.full((len(answer),), len(ends)))
            ends.append(b * length + span.stop - 1)
    flat = torch.cat(sources)
    is_source = torch.zeros(input_ids.numel(), dtype=torch.bool)
    is_source[flat] = True
    return GroupBatch(
        input_ids=input_ids,
        position_ids=position_ids,
        attention_mask=attention_mask,
        ends=torch.tensor(ends),
        sources=is_source.view_as(input_ids),
        slots=(is_source.cumsum(0) - 1)[flat],
        targets=torch.cat(targets),
        answer_of=torch.cat(answer_of),
    )


def truncate(group: EncodedGroup, limit: int) -> EncodedGroup:
    """The group with its prompt shortened at the start until prompt plus longest answer fit.

    An answer that leaves no room for the prompt loses its middle; its last token, which ends it,
    is kept. `limit` is in tokens, at least 3.
    """
    answers = [
        answer if len(answer) < limit else [*answer[: limit - 2], answer[-1]]
        for answer in group.answers
    ]
    room = limit - max(map(len, answers))
    return EncodedGroup(group.prompt[-room:], answers)


def cut_of(whole: EncodedGroup, group: EncodedGroup) -> str | None:
    """What `truncate` took from the whole group to make the other one."""
    if whole.answers != group.answers:
        return "an answer that lost its middle"
    return None if whole == group else "a prompt that lost its start"


class AnswerLogProbs(nn.Module):
    """A causal language model that gives log probabilities of the answers' tokens."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: GroupBatch) -> Float[Tensor, " T"]:
        """Log probability of each answer token; only their positions reach the head."""
        logits = self.model(**batch.inputs, logits_to_keep=batch.sources).logits
        logits = logits_at(logits, batch.sources).float()
        chosen = logits[batch.slots, batch.targets]
        return chosen - logits.logsumexp(-1)[batch.slots]
