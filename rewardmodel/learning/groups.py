"""Prompt groups as model input: [prompt | answer 1 | ... | answer K] in one row.

Positions restart at the prompt's end for each answer, and the mask lets an answer see the prompt
and itself only, so that the result equals K separate rows at the cost of P + K R tokens.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

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

    input_ids, position_ids [B, L]; attention_mask [B, 1, L, L] bool or [B, L] int64.
    ends [N]: where in the flattened B * L positions each answer's last token lies.
    sources [B, L] bool: the positions that predict an answer token.
    slots [T]: which of the true `sources`, counted in row order, predicts each answer token.
    targets [T]: the answer tokens. answer_of [T]: to which of the N answers each belongs.
    """

    input_ids: Tensor
    position_ids: Tensor
    attention_mask: Tensor
    ends: Tensor
    sources: Tensor
    slots: Tensor
    targets: Tensor
    answer_of: Tensor

    def to(self, device: torch.device) -> GroupBatch:
        return replace(self, **{f.name: getattr(self, f.name).to(device) for f in fields(self)})


Layout = Callable[[Sequence[EncodedGroup], int], GroupBatch]


def pack(groups: Sequence[EncodedGroup], pad: int) -> GroupBatch:
    """One row a group, padded on the right with `pad`."""
    rows = []
    for group in groups:
        spans, start = [], len(group.prompt)
        for answer in group.answers:
            spans.append(range(start, start + len(answer)))
            start += len(answer)
        rows.append(_Row(group.prompt, group.answers, spans))
    batch, segments = _lay_out(rows, pad)
    length = segments.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    keys, queries = segments[:, None, :], segments[:, :, None]
    mask = causal & ((keys == 0) | (keys == queries))
    return replace(batch, attention_mask=mask[:, None])


def unpack(groups: Sequence[EncodedGroup], pad: int) -> GroupBatch:
    """One row an answer, for models that cannot read packed rows; same results, more tokens."""
    rows = [
        _Row(group.prompt, [answer], [range(len(group.prompt), len(group.prompt) + len(answer))])
        for group in groups
        for answer in group.answers
    ]
    batch, segments = _lay_out(rows, pad)
    return replace(batch, attention_mask=(segments >= 0).long())


@dataclass(frozen=True)
class _Row:
    prompt: list[int]
    answers: list[list[int]]
    spans: list[range]


def _lay_out(rows: list[_Row], pad: int) -> tuple[GroupBatch, Tensor]:
    """A batch without its mask, and segments [B, L]: 0 prompt, k answer k, -1 padding.

    Padding attends to itself and the prompt in a packed row, so that no softmax is empty.
    """
    length = max(row.spans[-1].stop for row in rows)
    input_ids = torch.full((len(rows), length), pad)
    position_ids = torch.zeros_like(input_ids)
    segments = torch.full_like(input_ids, -1)
    ends: list[int] = []
    sources, targets, answer_of = [], [], []
    for b, row in enumerate(rows):
        width = len(row.prompt)
        input_ids[b, :width] = torch.tensor(row.prompt)
        position_ids[b, :width] = torch.arange(width)
        segments[b, :width] = 0
        for k, (answer, span) in enumerate(zip(row.answers, row.spans, strict=True), start=1):
            tokens = torch.tensor(answer)
            place = slice(span.start, span.stop)
            input_ids[b, place] = tokens
            position_ids[b, place] = torch.arange(width, width + len(answer))
            segments[b, place] = k
            sources.append(b * length + torch.tensor([width - 1, *span[:-1]]))
            targets.append(tokens)
            answer_of.append(torch.full((len(answer),), len(ends)))
            ends.append(b * length + span.stop - 1)
    flat = torch.cat(sources)
    is_source = torch.zeros(input_ids.numel(), dtype=torch.bool)
    is_source[flat] = True
    batch = GroupBatch(
        input_ids=input_ids,
        position_ids=position_ids,
        attention_mask=segments,
        ends=torch.tensor(ends),
        sources=is_source.view_as(input_ids),
        slots=(is_source.cumsum(0) - 1)[flat],
        targets=torch.cat(targets),
        answer_of=torch.cat(answer_of),
    )
    return batch, segments


def fit(group: EncodedGroup, limit: int) -> EncodedGroup:
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


def in_budget(groups: Sequence[EncodedGroup], tokens: int) -> Iterator[list[int]]:
    """Indices of groups, by length, so many at a time as pad to at most `tokens`; at least one."""
    batch: list[int] = []
    for i in sorted(range(len(groups)), key=lambda i: groups[i].tokens):
        if batch and (len(batch) + 1) * groups[i].tokens > tokens:
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

    def forward(self, batch: GroupBatch) -> Tensor:
        """Log probability of each answer token [T]; only their positions reach the head."""
        logits = self.model(
            input_ids=batch.input_ids,
            attention_mask=batch.attention_mask,
            position_ids=batch.position_ids,
            logits_to_keep=batch.sources,
            use_cache=False,
        ).logits
        if logits.dim() == 3:  # a model that ignores logits_to_keep
            logits = logits[batch.sources]
        logits = logits.float()
        chosen = logits[batch.slots, batch.targets]
        return cast(Tensor, chosen - logits.logsumexp(-1)[batch.slots])


def choose_layout(module: nn.Module, model: PreTrainedModel, longest: int) -> Layout:
    """`pack` if the model reads a packed group as it reads separate rows, else `unpack`.

    `module` maps a GroupBatch to a tensor, `model` is the network inside it, `longest` the most
    tokens of a row to come. Compared on a random group, to 1e-4.
    """
    config = model.config.get_text_config()
    window = getattr(config, "sliding_window", None)
    if window is not None and window < longest:
        logger.warning("One row an answer: rows are longer than the model's sliding window.")
        return unpack
    generator = torch.Generator().manual_seed(0)
    vocabulary = int(config.vocab_size)
    lengths = (19, 7, 3, 12)
    ids = [torch.randint(vocabulary, (n,), generator=generator).tolist() for n in lengths]
    group = EncodedGroup(ids[0], ids[1:])
    try:
        with torch.no_grad():
            packed, plain = (
                module(layout([group], 0).to(model.device)) for layout in (pack, unpack)
            )
        agrees = torch.allclose(packed, plain, atol=1e-4, rtol=1e-4)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        logger.warning("One row an answer: the model refuses a packed group (%s).", error)
        return unpack
    if not agrees:
        difference = (packed - plain).abs().max().item()
        logger.warning("One row an answer: a packed group differs by %.2g.", difference)
        return unpack
    return pack
