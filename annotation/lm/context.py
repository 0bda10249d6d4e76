"""How far a model reads: how many tokens, how far back, and never ahead."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import torch
from transformers import PreTrainedModel

from annotation.exchange.wording import gettext_noop
from annotation.lm.loading import PolicyUnavailable

logger = logging.getLogger(__name__)

WINDOWS = ("sliding_window", "attention_chunk_size", "window_size", "attention_window_size")
"""What configurations call how far back a layer sees."""
READS_AHEAD = gettext_noop("A {kind} reads ahead: it is no language model that answers.")


def context_of(model: PreTrainedModel) -> int | None:
    """How many tokens the model can read in all; None: any number."""
    return getattr(model.config.get_text_config(), "max_position_embeddings", None)


def within_context(model: PreTrainedModel, tokens: int, setting: str = "") -> int:
    """At most as many tokens as the model can read; a setting that asks for more is told so."""
    context = context_of(model)
    if context is None or tokens <= context:
        return tokens
    if setting:
        logger.warning("%s is %d; the model reads %d, which is used.", setting, tokens, context)
    return context


def window_of(model: PreTrainedModel) -> int | None:
    """How far back the layers see that see least far, in tokens; None: all the way."""
    return min(_windows(model.config.get_text_config()), default=None)


def _windows(config: Any) -> Iterator[int]:
    for name in WINDOWS:
        try:
            values = [getattr(config, name, None)]
        except RuntimeError:  # where layers differ transformers answers for each alone
            values = [getattr(layer, name, None) for layer in config.per_layer_config]
        yield from (value for value in values if isinstance(value, int) and value > 0)


@torch.no_grad()
def require_causality(model: PreTrainedModel) -> None:
    """Raises PolicyUnavailable for a model whose tokens see those that come after them."""
    vocabulary = int(model.config.get_text_config().vocab_size)
    ids = torch.randint(vocabulary, (1, 12), generator=torch.Generator().manual_seed(0))
    ids = ids.to(model.device)
    whole, beginning = (model.base_model(part, use_cache=False)[0] for part in (ids, ids[:, :6]))
    if (whole[:, :6] - beginning).abs().max() > 0.05 * beginning.abs().max():
        raise PolicyUnavailable(READS_AHEAD, kind=type(model).__name__)
