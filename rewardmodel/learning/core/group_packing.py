"""Prompt groups as model input: [prompt | answer 1 | ... | answer K] in one row.

Positions restart at the prompt's end for each answer, and the mask lets an answer see the prompt
and itself only, so that the result equals K separate rows at the cost of P + K R tokens.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel

from annotation.lm.context import require_causality, window_of
from annotation.lm.decoding import logits_at
from annotation.lm.packed_attention import REFUSALS, Packing
from annotation.lm.shared_prompt_attention import (
    UNUSED_MASK,
    group_attention_on,
    use_group_attention,
)

logger = logging.getLogger(__name__)


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


ALONE = 3
"""So many times the tokens of a pass may a group have that is read alone, before it is read in
parts: those cost a reading more. Small passes are the faster ones on a CPU."""


@dataclass(frozen=True)
class Part:
    """Some answers of a group with its prompt: all of them (`is_whole`), unless a pass has no room
    for them. `group` is the place of the group among the others."""

    group: int
    answers: range
    encoded: EncodedGroup
    is_whole: bool


def parts_of(groups: Sequence[EncodedGroup], tokens: int, layout: Layout) -> list[Part]:
    """Each group, or its answers in turn, so many at a time as a row of `tokens` holds.

    At least one at a time.
    """
    parts = []
    for number, group in enumerate(groups):
        start = 0
        for stop in range(1, len(group.answers) + 1):
            more = EncodedGroup(group.prompt, group.answers[start : stop + 1])
            if stop == len(group.answers) or layout.tokens([more]) > tokens:
                fits = EncodedGroup(group.prompt, group.answers[start:stop])
                is_whole = stop - start == len(group.answers)
                parts.append(Part(number, range(start, stop), fits, is_whole))
                start = stop
    return parts


def in_budget(groups: Sequence[EncodedGroup], tokens: int, layout: Layout) -> Iterator[list[int]]:
    """Indices of groups, by length, so many at a time as fill rows of at most `tokens` in all.

    At least one at a time.
    """
    batch: list[int] = []
    for i in sorted(range(len(groups)), key=lambda i: groups[i].tokens):
        if batch and layout.tokens([groups[j] for j in [*batch, i]]) > tokens:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


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


def choose_layout(
    read: Callable[[GroupBatch], Tensor], model: PreTrainedModel, longest: int
) -> Layout:
    """`pack` for a model that passes `reads_packed_groups`, which is given the attention for groups
    here; `unpack` for any other, which keeps its own."""
    if not reads_packed_groups(read, model, longest):
        return unpack
    use_group_attention(model)
    return pack


def reads_packed_groups(
    read: Callable[[GroupBatch], Tensor], model: PreTrainedModel, longest: int
) -> bool:
    """Whether packed groups, read with the attention for groups, give what separate rows give with
    the model's own attention, which it has again afterwards.

    `read` gives what `model`, the network inside, makes of a batch; `longest` is the most tokens
    of a row to come. Compared on two random groups as in `reads_packed`.
    """
    generator = torch.Generator().manual_seed(0)
    vocabulary = int(model.config.get_text_config().vocab_size)
    groups = [
        EncodedGroup(ids[0], ids[1:])
        for ids in (
            [torch.randint(vocabulary, (n,), generator=generator).tolist() for n in lengths]
            for lengths in ((19, 7, 3, 12), (11, 5, 8))
        )
    ]

    def both() -> tuple[Tensor, Tensor]:
        plain = read(unpack(groups, 0).to(model.device))
        with group_attention_on(model):
            return read(pack(groups, 0).to(model.device)), plain

    return reads_packed(model, longest, "an answer", both)


def reads_packed(
    model: PreTrainedModel, longest: int, unit: str, both: Callable[[], tuple[Tensor, Tensor]]
) -> bool:
    """Whether a model gives packed rows what it gives separate ones, to 1e-4 of the largest value.

    `longest` is the most tokens of a row to come, `both` the results of some random input, packed
    and one row for each `unit`, such as "an answer"; all 0 they say nothing, and count as "no".
    One log line says why not. Raises PolicyUnavailable for a model that reads ahead.
    """
    require_causality(model)
    window = window_of(model)
    if window is not None and window < longest:
        logger.warning("One row %s: rows are longer than the model's sliding window.", unit)
        return False
    try:
        with torch.no_grad():
            packed, plain = both()
    except REFUSALS as error:
        logger.warning("One row %s: the model refuses packed rows (%s).", unit, error)
        return False
    difference = ((packed - plain).abs().max() / plain.abs().max()).item()
    if difference <= 1e-4:  # not so for NaN
        return True
    logger.warning("One row %s: packed rows differ by %.2g.", unit, difference)
    return False
