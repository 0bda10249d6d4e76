"""The ways to read packed rows: they give the same, and the fastest one is found by measuring."""

import logging
import time

import pytest
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from annotation.lm.packed_attention import (
    READINGS,
    Fastest,
    Packing,
    Reading,
    States,
    by_flex_attention,
    by_mask,
    in_parts,
)

PACKING = Packing([(20, 0, [5, 1, 9]), (3, 17, [4] * 4)])


@pytest.fixture
def states() -> States:
    """Of two rows; two query heads share a key."""
    torch.manual_seed(0)
    query, key, value = (
        torch.randn(2, heads, PACKING.length, 8, requires_grad=True) for heads in (4, 2, 2)
    )
    return query, key, value


def read(name: str, states: States) -> Tensor:
    """Padding apart, whose values say nothing."""
    is_read = (PACKING.owners >= 0)[:, None, :, None]
    return READINGS[name](states, PACKING, 0.3).where(is_read, torch.tensor(0.0))


@pytest.mark.parametrize("name", READINGS)
def test_all_ways_read_the_same(name: str, states: States) -> None:
    query, key, value = (each.detach() for each in states)  # for FlexAttention, see below
    expected = read("mask", (query, key, value))
    assert torch.allclose(read(name, (query, key, value)), expected, atol=1e-6)


def test_in_parts_and_with_a_mask_the_gradients_are_the_same(states: States) -> None:
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


def slowly(states: States, packing: Packing, scale: float | None) -> Tensor:
    time.sleep(0.05)
    return in_parts(states, packing, scale)


def wrongly(states: States, packing: Packing, scale: float | None) -> Tensor:
    query, key, value = states
    return query * 2 + key.sum() + value.sum()


def counted(reading: Reading, calls: list[None]) -> Reading:
    def count(states: States, packing: Packing, scale: float | None) -> Tensor:
        calls.append(None)
        return reading(states, packing, scale)

    return count


@pytest.mark.parametrize("order", [["quick", "slow"], ["slow", "quick"]])
def test_after_measuring_the_fastest_way_reads(order: list[str], states: States) -> None:
    calls: list[None] = []
    ways = {"quick": by_mask, "slow": counted(slowly, calls)}
    fastest = Fastest({name: ways[name] for name in order})
    fastest(states, PACKING, None)
    measured = len(calls)
    assert measured > 0
    fastest(states, PACKING, None)
    assert len(calls) == measured


def test_a_way_that_gives_something_else_is_not_taken(
    states: States, caplog: pytest.LogCaptureFixture
) -> None:
    fastest = Fastest({"slow": slowly, "wrong": wrongly})
    read = fastest(states, PACKING, None)
    assert torch.equal(read, slowly(states, PACKING, None))
    assert caplog.messages == ["No attention by way of wrong: it gives something else"]
    assert list(fastest.ways) == ["slow"]


def test_a_way_that_the_machine_refuses_is_not_tried_again(
    states: States, caplog: pytest.LogCaptureFixture
) -> None:
    """FlexAttention has no gradients on the CPU."""
    fastest = Fastest({"flex": by_flex_attention, "mask": by_mask})
    fastest(states, PACKING, None)
    query, key, value = (each[1:] for each in states)
    fastest((query, key, value), Packing(PACKING.rows[1:]), None)
    [message] = caplog.messages
    assert message.startswith("No attention by way of flex: FlexAttention does not support")


def test_what_was_measured_is_logged(states: States, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    Fastest({"mask": by_mask, "in parts": in_parts})(states, PACKING, None)
    assert caplog.messages[-1].startswith("Attention over rows of 36 tokens: mask ")


def test_measuring_within_gradient_checkpointing_changes_no_gradient(states: States) -> None:
    """Where on a GPU the first rows of a size come."""
    fastest = Fastest({"mask": by_mask, "in parts": in_parts})

    def layer(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return fastest((query, key, value), PACKING, 0.3).square()

    found = torch.autograd.grad(checkpoint(layer, *states, use_reentrant=False).sum(), states)
    expected = torch.autograd.grad(layer(*states).sum(), states)
    assert all(torch.allclose(f, e, atol=1e-6) for f, e in zip(found, expected, strict=True))
