"""Text as model input: several independent segments in one row, none of which sees another.

A segment is a document's part or a conversation. Positions restart and attention stops at its
start, so that a row of segments gives what each of them would give alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel

from annotation.lm.decoding import logits_at
from rewardmodel.learning.core.group_packing import EncodedGroup
from rewardmodel.learning.core.packing_check import reads_packed

IGNORED = -100
AT_ONCE = 2**20  # logits whose distribution is looked at together: few enough to stay in a cache


@dataclass(frozen=True)
class Segment:
    """Token ids that attend to one another, and what each of them is to predict.

    A target is the next token, or IGNORED where nothing is to be learned.
    """

    inputs: Int[Tensor, " N"]
    targets: Int[Tensor, " N"]

    @property
    def learned(self) -> int:
        return int((self.targets != IGNORED).sum())


Example = Sequence[Segment]
"""What is drawn as one: a block of text, or a conversation. Several share a row."""


def conversation(group: EncodedGroup) -> Example:
    """A prompt with one answer; the answer's tokens, end of turn included, are learned."""
    ids = torch.tensor([*group.prompt, *group.answers[0]])
    targets = ids[1:].clone()
    targets[: len(group.prompt) - 1] = IGNORED
    return [Segment(ids[:-1], targets)]


def length_of(example: Example) -> int:
    return sum(len(segment.inputs) for segment in example)


def learned_in(examples: Sequence[Example]) -> int:
    """How many tokens are learned."""
    return sum(segment.learned for example in examples for segment in example)


@dataclass(frozen=True)
class TokenBatch:
    """B rows of length L.

    input_ids, position_ids, targets [B, L]; attention_mask [B, 1, L, L] bool, [B, L] int64, or
    None where plain causal attention is right.
    """

    input_ids: Tensor
    position_ids: Tensor
    targets: Tensor
    attention_mask: Tensor | None

    def to(self, device: torch.device) -> TokenBatch:
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{n: t.to(device) for n, t in given.items() if t is not None})


RowLayout = Callable[[Sequence[Example]], TokenBatch]


def pack(rows: Sequence[Example]) -> TokenBatch:
    """One row for all segments of an example; padded on the right, padding sees padding only."""
    batch, numbers = _lay_out(rows)
    if all(len(row) == 1 for row in rows):  # padding lies behind all that looks ahead of it
        return batch
    causal = torch.ones(numbers.shape[1], numbers.shape[1], dtype=torch.bool).tril()
    mask = causal & (numbers[:, None, :] == numbers[:, :, None])
    return replace(batch, attention_mask=mask[:, None])


def unpack(rows: Sequence[Example]) -> TokenBatch:
    """One row a segment, for models that cannot read packed rows; same results, more padding."""
    batch, numbers = _lay_out([[segment] for row in rows for segment in row])
    return replace(batch, attention_mask=(numbers >= 0).long())


def _lay_out(rows: Sequence[Example]) -> tuple[TokenBatch, Tensor]:
    """A batch without its mask, and each position's segment number [B, L], -1 for padding."""
    shape = (len(rows), max(map(length_of, rows)))
    input_ids = torch.zeros(shape, dtype=torch.long)  # what padding holds is never read
    position_ids = torch.zeros(shape, dtype=torch.long)
    targets = torch.full(shape, IGNORED)
    numbers = torch.full(shape, -1)
    for b, row in enumerate(rows):
        start = 0
        for number, segment in enumerate(row):
            place = slice(start, start + len(segment.inputs))
            input_ids[b, place] = segment.inputs
            position_ids[b, place] = torch.arange(len(segment.inputs))
            targets[b, place] = segment.targets
            numbers[b, place] = number
            start = place.stop
    return TokenBatch(input_ids, position_ids, targets, None), numbers


def fill_rows(examples: Sequence[Example], length: int) -> list[Example]:
    """Examples put together into rows of at most `length` tokens, the longest ones first.

    First-fit decreasing; an example longer than `length` has a row of its own.
    """
    rows: list[list[Segment]] = []
    room: list[int] = []
    for example in sorted(examples, key=length_of, reverse=True):
        needed = length_of(example)
        place = next((i for i, left in enumerate(room) if left >= needed), None)
        if place is None:
            rows.append([])
            room.append(length)
            place = len(rows) - 1
        rows[place].extend(example)
        room[place] -= needed
    return cast("list[Example]", rows)


def row_batches(
    examples: Sequence[Example], length: int, tokens: int
) -> Iterator[Sequence[Example]]:
    """Filled rows, so many at a time as pad to at most `tokens`; at least one."""
    batch: list[Example] = []
    for row in sorted(fill_rows(examples, length), key=length_of):
        if batch and (len(batch) + 1) * length_of(row) > tokens:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


class TokenLosses(nn.Module):
    """A causal language model that gives the loss of each learned token."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: TokenBatch) -> Float[Tensor, " T"]:
        """-log p of the T learned tokens in row order, nats."""
        return nn.functional.cross_entropy(*_learned(self.model, batch), reduction="none")

    def with_entropies(self, batch: TokenBatch) -> tuple[Float[Tensor, " T"], Float[Tensor, " T"]]:
        """The same, and the entropy of the distribution that each of the T tokens has, nats:
        -sum p log p (Shannon 1948, section 6). For evaluations, without a gradient."""
        logits, targets = _learned(self.model, batch)
        rows = max(1, AT_ONCE // logits.shape[-1])
        parts = zip(torch.split(logits, rows), torch.split(targets, rows), strict=True)
        losses, entropies = zip(*(_told(*part) for part in parts), strict=True)
        return torch.cat(losses), torch.cat(entropies)


class TokenPredictions(nn.Module):
    """The same with what a training step can say of it for next to nothing."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: TokenBatch) -> tuple[Float[Tensor, " T"], Bool[Tensor, " T"]]:
        """-log p of the T learned tokens, and which of them no other token was likelier than."""
        logits, targets = _learned(self.model, batch)
        losses = nn.functional.cross_entropy(logits, targets, reduction="none")
        with torch.no_grad():
            hits = logits.gather(-1, targets[:, None])[:, 0] >= logits.amax(-1)
        return losses, hits


def _told(
    logits: Float[Tensor, "T V"], targets: Int[Tensor, " T"]
) -> tuple[Float[Tensor, " T"], Float[Tensor, " T"]]:
    log_p = nn.functional.log_softmax(logits, dim=-1)
    losses = -log_p.gather(-1, targets[:, None])[:, 0]
    p = log_p.exp()
    least = torch.finfo(log_p.dtype).min  # a token that a model rules out adds 0
    return losses, -p.mul_(log_p.clamp_(min=least)).sum(-1)


def _learned(
    model: PreTrainedModel, batch: TokenBatch
) -> tuple[Float[Tensor, "T V"], Int[Tensor, " T"]]:
    """Logits and targets of the learned tokens in row order; only they reach the head."""
    learned = batch.targets != IGNORED
    logits = model(
        input_ids=batch.input_ids,
        attention_mask=batch.attention_mask,
        position_ids=batch.position_ids,
        logits_to_keep=learned,
        use_cache=False,
    ).logits
    return logits_at(logits, learned).float(), batch.targets[learned]


def choose_row_layout(module: TokenLosses, longest: int) -> RowLayout:
    """`pack` if the model reads packed segments as it reads separate rows, else `unpack`.

    `longest` is the most tokens of a row to come. Compared on random segments, to 1e-4.
    """
    generator = torch.Generator().manual_seed(0)
    vocabulary = int(module.model.config.get_text_config().vocab_size)
    random = [torch.randint(vocabulary, (n,), generator=generator) for n in (13, 5, 9)]
    rows = [[Segment(ids[:-1], ids[1:]) for ids in random]]

    def both() -> tuple[Tensor, Tensor]:
        device = module.model.device
        return module(pack(rows).to(device)), module(unpack(rows).to(device))

    return pack if reads_packed(module.model, longest, "a segment", both) else unpack
