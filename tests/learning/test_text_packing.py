import logging
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import MambaConfig, MambaForCausalLM

from annotation.lm.loading import load_causal_lm
from rewardmodel.learning.core import text_packing
from rewardmodel.learning.core.group_packing import EncodedGroup
from rewardmodel.learning.core.text_packing import (
    IGNORED,
    Segment,
    TokenLosses,
    choose_row_layout,
    conversation,
    fill_rows,
    length_of,
    pack,
    row_batches,
    unpack,
)
from rewardmodel.learning.language.tokens import TextBlocks


@pytest.fixture(scope="module")
def losses(tiny: Path) -> TokenLosses:
    return TokenLosses(load_causal_lm(str(tiny), torch.float32)).eval()


def segment(*ids: int) -> Segment:
    tokens = torch.tensor(ids)
    return Segment(tokens[:-1], tokens[1:])


@torch.no_grad()
def loss_of(losses: TokenLosses, *segments: Segment) -> Tensor:
    found: Tensor = losses(pack([segments]))
    return found


def test_only_the_answer_and_its_end_are_learned() -> None:
    [only] = conversation(EncodedGroup([5, 6, 7], [[8, 2]]))
    assert only.inputs.tolist() == [5, 6, 7, 8]
    assert only.targets.tolist() == [IGNORED, IGNORED, 8, 2]
    assert only.learned == 2


def test_a_loss_is_minus_the_log_of_the_next_tokens_probability(losses: TokenLosses) -> None:
    ids = torch.tensor([[10, 20, 30, 40]])
    with torch.no_grad():
        logits = losses.model(ids).logits[0]
    by_hand = [-logits[i].log_softmax(-1)[ids[0, i + 1]] for i in (1, 2)]
    found = loss_of(losses, *conversation(EncodedGroup([10, 20], [[30, 40]])))
    assert torch.allclose(found, torch.stack(by_hand), atol=1e-5)


@torch.no_grad()
def test_the_entropy_is_that_of_the_next_tokens_distribution(
    losses: TokenLosses, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = torch.tensor([[10, 20, 30, 40, 50]])
    p = losses.model(ids).logits[0, 1:4].softmax(-1)
    batch = pack([conversation(EncodedGroup([10, 20], [[30, 40, 50]]))])
    monkeypatch.setattr(text_packing, "AT_ONCE", 2 * losses.model.config.vocab_size)
    found, entropies = losses.with_entropies(batch)
    assert torch.allclose(entropies, -(p * p.log()).sum(-1), atol=1e-5)
    assert torch.allclose(found, losses(batch), atol=1e-6)


@torch.no_grad()
def test_a_token_that_is_ruled_out_adds_nothing_to_the_entropy() -> None:
    logits = torch.tensor([[0.0, 0.0, -torch.inf]])
    _, [entropy] = text_packing._told(logits, torch.tensor([0]))
    assert entropy == pytest.approx(math.log(2))


def test_positions_restart_and_attention_stops_at_each_segment() -> None:
    batch = pack([[segment(1, 2, 3), segment(4, 5)], [segment(6, 7)]])
    assert batch.input_ids.tolist() == [[1, 2, 4], [6, 0, 0]]
    assert batch.position_ids.tolist() == [[0, 1, 0], [0, 0, 0]]
    assert batch.targets.tolist() == [[2, 3, 5], [7, IGNORED, IGNORED]]
    assert batch.attention_mask is not None
    assert batch.attention_mask[0, 0].int().tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]


def test_changing_a_document_does_not_change_the_next_ones_losses(losses: TokenLosses) -> None:
    second = segment(0, 70, 71, 72, 73)
    before = loss_of(losses, segment(0, 60, 61, 62), second)
    after = loss_of(losses, segment(0, 99, 98, 97), second)
    assert not torch.allclose(before[:3], after[:3])
    assert torch.equal(before[3:], after[3:])


def test_packed_losses_equal_those_of_separate_rows(losses: TokenLosses) -> None:
    rows = [[segment(0, 60, 61, 62), segment(0, 70, 71)], [segment(50, 51, 52)]]
    with torch.no_grad():
        assert torch.allclose(losses(pack(rows)), losses(unpack(rows)), atol=1e-4)


def test_padding_changes_nothing(losses: TokenLosses) -> None:
    short, long = [segment(50, 51, 52)], [segment(*range(60, 80))]
    with torch.no_grad():
        together = losses(pack([short, long]))
    assert torch.allclose(together[:2], loss_of(losses, *short), atol=1e-5)


def test_a_transformer_reads_packed_rows(losses: TokenLosses) -> None:
    assert choose_row_layout(losses, 512) is pack


def test_a_state_space_model_falls_back_to_a_row_a_segment(
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = MambaConfig(vocab_size=259, hidden_size=16, state_size=4, num_hidden_layers=1)
    with caplog.at_level(logging.WARNING):
        assert choose_row_layout(TokenLosses(MambaForCausalLM(config)).eval(), 512) is unpack
    assert "One row a segment" in caplog.text


def test_rows_are_filled_with_the_longest_examples_first() -> None:
    examples = [[segment(*range(n + 1))] for n in (3, 6, 4, 2)]
    assert [length_of(row) for row in fill_rows(examples, 8)] == [8, 7]
    assert [[len(s.inputs) for s in row] for row in fill_rows(examples, 8)] == [[6, 2], [4, 3]]


def test_a_batch_stays_within_its_padded_tokens() -> None:
    examples = [[segment(*range(n + 1))] for n in (3, 6, 4, 2, 9)]
    batches = list(row_batches(examples, 6, 12))
    assert sum(len(batch) for batch in batches) == len(fill_rows(examples, 6))
    assert all(len(b) * max(map(length_of, b)) <= 12 for b in batches)


def test_a_block_of_text_ends_its_segment_where_a_document_ends() -> None:
    tokens = np.array([0, 5, 6, 0, 7, 8, 9], dtype=np.uint16)
    blocks = TextBlocks(tokens, 4, separator=0)
    assert len(blocks) == 2
    assert [s.inputs.tolist() for s in blocks[0]] == [[0, 5, 6], [0]]
    assert [s.targets.tolist() for s in blocks[0]] == [[5, 6, 0], [7]]
    assert [s.inputs.tolist() for s in blocks[1]] == [[7, 8]]
    assert [s.targets.tolist() for s in blocks[1]] == [[8, 9]]


def test_a_block_belongs_to_the_document_in_its_middle() -> None:
    tokens = np.array([0, 5, 0, 6, 7, 8, 9, 6, 7, 8, 0, 5, 6, 7], dtype=np.uint16)
    blocks = TextBlocks(tokens, 4, separator=0)
    assert blocks.documents_of(range(4)) == [2, 2, 3, 3]
    assert blocks.documents_of([1, 3]) == [2, 3]


def test_every_token_but_the_first_is_learned_once() -> None:
    tokens = np.arange(1, 24, dtype=np.uint16)
    blocks = TextBlocks(tokens, 5, separator=0)
    learned = [t for i in range(len(blocks)) for s in blocks[i] for t in s.targets.tolist()]
    assert learned == tokens[1:].tolist()
