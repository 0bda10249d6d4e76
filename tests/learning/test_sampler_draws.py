from typing import Any

import pytest
import torch
from torch import Tensor

from annotation.lm.token_choice import BLOCK, choose_tokens, noise_of

DRAWS = 20_000


def drawn(logits: Tensor, draws: int = DRAWS, seed: int = 0, **how: Any) -> Tensor:
    """So many tokens from the same logits, all from one generator."""
    generator = torch.Generator().manual_seed(seed)
    noise = noise_of([generator] * draws, len(logits))
    return choose_tokens(logits.expand(draws, -1), noise, **how)


def test_tokens_are_drawn_with_their_probabilities() -> None:
    logits = torch.tensor([0.0, 1.0, 2.0, -1.0])
    shares = torch.bincount(drawn(logits, temperature=0.7), minlength=4) / DRAWS
    assert torch.allclose(shares, torch.softmax(logits / 0.7, -1), atol=0.01)


@pytest.mark.parametrize("vocabulary", [3 * BLOCK, 2 * BLOCK + 5], ids=["whole", "ragged"])
def test_a_vocabulary_of_several_blocks_is_drawn_with_its_probabilities(vocabulary: int) -> None:
    logits = torch.full((vocabulary,), -4.0)
    likely = torch.tensor([0, 7, BLOCK - 1, BLOCK, 2 * BLOCK, vocabulary - 1])
    logits[likely] = torch.tensor([2.0, 1.0, 1.5, 3.0, 2.5, 2.0])
    shares = torch.bincount(drawn(logits), minlength=vocabulary) / DRAWS
    assert torch.allclose(shares, torch.softmax(logits, -1), atol=0.012)
    of_blocks = [shares[start : start + BLOCK].sum() for start in range(0, vocabulary, BLOCK)]
    expected = torch.softmax(logits, -1)
    masses = [expected[start : start + BLOCK].sum() for start in range(0, vocabulary, BLOCK)]
    assert torch.allclose(torch.stack(of_blocks), torch.stack(masses), atol=0.012)


def test_a_token_that_cannot_come_never_comes() -> None:
    logits = torch.full((BLOCK + 3,), float("-inf"))
    logits[BLOCK + 1] = 0.0
    assert set(drawn(logits, draws=500).tolist()) == {BLOCK + 1}


def test_a_row_depends_on_its_own_generator_only() -> None:
    logits = torch.randn(3, 2 * BLOCK, generator=torch.Generator().manual_seed(1))
    together = choose_tokens(logits, noise_of(seeded(4, 5, 6), 2 * BLOCK))
    alone = choose_tokens(logits[1:2], noise_of(seeded(5), 2 * BLOCK))
    assert together[1] == alone[0]


def seeded(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_temperature_zero_takes_the_likeliest_token() -> None:
    logits = torch.tensor([0.0, 3.0, 2.9])
    assert set(drawn(logits, draws=50, temperature=0).tolist()) == {1}


def test_top_p_leaves_the_unlikely_tail_out() -> None:
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    assert set(drawn(logits, draws=2000, top_p=0.7).tolist()) == {0, 1}
