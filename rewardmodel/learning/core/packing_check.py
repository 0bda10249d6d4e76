"""Whether a model reads packed rows as it reads separate ones; only then are groups packed."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor
from transformers import PreTrainedModel

from annotation.lm.context import require_causality, window_of
from annotation.lm.packed_attention import REFUSALS
from annotation.lm.shared_prompt_attention import group_attention_on, use_group_attention
from rewardmodel.learning.core.group_packing import EncodedGroup, GroupBatch, Layout, pack, unpack

logger = logging.getLogger(__name__)


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
