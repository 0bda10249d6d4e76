"""The ways to read packed rows: they give the same, and the fastest one is found by measuring."""

import logging
import time

import pytest
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from annotation.generation.packed_attention import (
    READINGS,
    Packing,
    Reading,
    by_flex_attention,
    by_mask,
    fastest,
    in_parts,
)

PACKING = Packing([(20, 0, [5, 1, 9]), (3, 17, [4] * 4)])


@pytest.fixture
def states() -> list[Tensor]:
    """Query, key and value of two rows; two query heads share a key."""
    torch.manual_seed(0)
    return [torch.randn(2, heads, PACKING.length, 8, requires_grad=True) for heads in (4, 2, 2)]


def read(name: str, states: list[Tensor]) -> Tensor:
    """Padding apart, whose values say nothing."""
    query, key, value = states
    is_read = (PACKING.owners >= 0)[:, None, :, None]
    return READINGS[name](query, key, value, PACKING, 0.3).where(is_read, torch.tensor(0.0))


@pytest.mark.parametrize("name", READINGS)
def test_all_ways_read_the_same(name: str, states: list[Tensor]) -> None:
    detached = [each.detach() for each in states]  # FlexAttention has no gradients on the CPU
    assert torch.allclose(read(name, detached), read("mask", detached), atol=1e-6)


def test_in_parts_and_with_a_mask_the_gradients_are_the_same(states: list[Tensor]) -> None:
    ours, theirs = (
        torch.autograd.grad(read(name, states).square().sum(), states)
        for name in ("in parts", "mask")
    )
    for our, their in zip(ours, theirs, strict=True):
        assert torch.allclose(our, their, atol=1e-5)


def test_an_answer_sees_its_prompt_and_itself_and_nobody_sees_padding() -> None:
    packing = Packing([(2, 1, [1, 2])])
    seen = [row.nonzero().flatten().tolist() for row in packing.mask[0, 0]]
    del seen[2]  # what padding sees is of no interest
    assert seen == [[0], [0, 1], [0, 1, 3], [0, 1, 4], [0, 1, 4, 5]]


def slowly(
    query: Tensor, key: Tensor, value: Tensor, packing: Packing, scale: float | None
) -> Tensor:
    time.sleep(0.05)
    return in_parts(query, key, value, packing, scale)


def wrongly(
    query: Tensor, key: Tensor, value: Tensor, packing: Packing, scale: float | None
) -> Tensor:
    return query * 2 + key.sum() + value.sum()


def test_the_fastest_way_is_taken(states: list[Tensor]) -> None:
    assert fastest({"slow": slowly, "mask": by_mask}, states, PACKING, None) is by_mask
    assert fastest({"mask": by_mask, "slow": slowly}, states, PACKING, None) is by_mask


def test_a_way_that_gives_something_else_is_not_taken(
    states: list[Tensor], caplog: pytest.LogCaptureFixture
) -> None:
    assert fastest({"slow": slowly, "wrong": wrongly}, states, PACKING, None) is slowly
    assert caplog.messages[0] == "Attention (wrong) differs on this machine; not used."


def test_a_way_that_the_machine_refuses_is_not_taken(
    states: list[Tensor], caplog: pytest.LogCaptureFixture
) -> None:
    """FlexAttention has no gradients on the CPU."""
    found = fastest({"flex": by_flex_attention, "slow": slowly}, states, PACKING, None)
    assert found is slowly
    assert "Attention (flex) does not work on this machine" in caplog.messages[0]


def test_what_was_measured_is_logged(
    states: list[Tensor], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    fastest({"mask": by_mask, "in parts": in_parts}, states, PACKING, None)
    assert caplog.messages[-1].startswith("Attention over rows of 36 tokens: mask ")


def test_measuring_within_gradient_checkpointing_changes_no_gradient(states: list[Tensor]) -> None:
    """Where on a GPU the first rows of a size come."""
    chosen: list[Reading] = []

    def layer(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        if not chosen:
            readings = {"mask": by_mask, "in parts": in_parts}
            chosen.append(fastest(readings, (query, key, value), PACKING, 0.3))
        return chosen[0](query, key, value, PACKING, 0.3).square()

    found = torch.autograd.grad(checkpoint(layer, *states, use_reentrant=False).sum(), states)
    expected = torch.autograd.grad(layer(*states).sum(), states)
    assert all(torch.allclose(f, e, atol=1e-6) for f, e in zip(found, expected, strict=True))
