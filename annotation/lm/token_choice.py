"""How the next token is drawn: temperature, top-k, the nucleus, and noise of each answer's own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

BLOCK = 256
"""Tokens of the vocabulary that are drawn among as one, see `choose_tokens`."""


def noise_of(generators: Sequence[torch.Generator], vocabulary: int) -> Tensor:
    """Exponential noise for `choose_tokens`, [rows, n], a row from each generator."""
    count = _blocks_of(vocabulary) + BLOCK
    rows = [torch.rand(count, generator=one, device=one.device) for one in generators]
    return torch.stack(rows).log_().neg_()


def choose_tokens(
    logits: Tensor, noise: Tensor, temperature: float = 1.0, top_p: float = 1.0, top_k: int = 0
) -> Tensor:
    """Draws a token for each row of logits [rows, vocabulary] by exponential races; ids [rows].

    In a race the largest probability / noise wins, noise being drawn from the exponential
    distribution, which happens with just its probability. The first race is among blocks of the
    vocabulary, the second among the tokens of the block that won: the same distribution as one
    race of all tokens, for a hundredth of the noise. Inverting the cumulative distribution is
    cheaper still, but there the last bit of rounding, which depends on what else is in the batch,
    changes one token in a thousand.
    """
    if temperature == 0:
        return logits.argmax(-1)
    return draw(probabilities_of(logits, temperature, top_p, top_k), noise)


def probabilities_of(
    logits: Tensor, temperature: float, top_p: float = 1.0, top_k: int = 0
) -> Tensor:
    """What tokens are drawn by: of the `top_k` likeliest (0: of all) those of the nucleus, which
    sum to `top_p` or more together; up to a factor. Shapes [rows, vocabulary]."""
    logits = logits.float() / temperature
    if 0 < top_k < logits.shape[-1]:
        least = logits.topk(top_k).values[:, -1:]
        logits = logits.masked_fill(logits < least, float("-inf"))
    probabilities = torch.softmax(logits, dim=-1)
    return _nucleus(probabilities, top_p) if top_p < 1 else probabilities


def draw(probabilities: Tensor, noise: Tensor) -> Tensor:
    """The winners of the races of `choose_tokens`; ids [rows]."""
    rows, vocabulary = probabilities.shape
    count = _blocks_of(vocabulary)
    blocks = pad(probabilities, (0, count * BLOCK - vocabulary)).view(rows, count, BLOCK)
    of_blocks, of_tokens = noise[:, :count], noise[:, count:]
    block = (blocks.sum(-1) / of_blocks).argmax(-1)
    tokens = blocks[torch.arange(rows, device=block.device), block]
    return block * BLOCK + (tokens / of_tokens).argmax(-1)


def _blocks_of(vocabulary: int) -> int:
    return -(-vocabulary // BLOCK)


def _nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Keeps the fewest likeliest tokens whose mass reaches `top_p` (arXiv 1904.09751)."""
    ordered, order = probabilities.sort(dim=-1, descending=True)
    before = ordered.cumsum(-1) - ordered
    return torch.zeros_like(probabilities).scatter(
        -1, order, ordered.masked_fill(before >= top_p, 0.0)
    )
