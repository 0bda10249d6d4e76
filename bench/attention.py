"""One layer's attention over prompt groups, forward and backward: in parts, as the trainers do it,
against one call with a mask of the row's length squared, and on a GPU against FlexAttention.

    python bench/attention.py [--repeats 20] [--json]

Random queries, keys and values in the shape of the default model; float32 on the CPU, bfloat16 on
a GPU. The three must agree before they are timed.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch
from torch import Tensor, nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from torch.nn.functional import scaled_dot_product_attention

from annotation.generation.group_attention import group_attention
from bench.comparison import Row, compared, finish_device, machine, show

HEADS, KEY_HEADS, SIZE = 9, 3, 64
SHAPES = {"fine-grained": (706, [98] * 4), "OpenAssistant": (107, [124] * 3)}
"""Tokens of the prompt and of each answer: the sets' medians."""
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
GPU = torch.cuda.is_available()
TOLERANCE = 3e-2 if GPU else 1e-4


def in_parts(prompt: int, answers: list[int]) -> Attend:
    def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        packed = [(prompt, 0, answers)]
        return group_attention(nn.Module(), query, key, value, None, packed=packed)[0]

    return attend


def owners(prompt: int, answers: list[int]) -> Tensor:
    """[L]: 0 in the prompt, the answer's number elsewhere."""
    parts = [torch.zeros(prompt), *(torch.full((n,), i) for i, n in enumerate(answers, start=1))]
    return torch.cat(parts).int().to("cuda" if GPU else "cpu")


def sees(owner: Tensor, reader: Tensor, read: Tensor) -> Tensor:
    """Causally, and of the answers each its own only; positions in, booleans out."""
    return (read <= reader) & ((owner[read] == 0) | (owner[read] == owner[reader]))


def with_a_mask(prompt: int, answers: list[int]) -> Attend:
    owner = owners(prompt, answers)
    places = torch.arange(len(owner), device=owner.device)
    mask = sees(owner, places[:, None], places[None])

    def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        read = scaled_dot_product_attention(query, key, value, mask, enable_gqa=True)
        return read.transpose(1, 2)

    return attend


def by_flex_attention(prompt: int, answers: list[int]) -> Attend:
    owner = owners(prompt, answers)
    length = len(owner)

    def rule(_batch: Tensor, _head: Tensor, reader: Tensor, read: Tensor) -> Tensor:
        return sees(owner, reader, read)

    mask = create_block_mask(rule, None, None, length, length, device=owner.device.type)
    attention = torch.compile(partial(flex_attention, block_mask=mask, enable_gqa=True))

    def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return attention(query, key, value).transpose(1, 2)

    return attend


def states(length: int) -> list[Tensor]:
    """Query, key and value of one row."""
    device, dtype = ("cuda", torch.bfloat16) if GPU else ("cpu", torch.float32)
    return [
        torch.randn(1, heads, length, SIZE, device=device, dtype=dtype, requires_grad=True)
        for heads in (HEADS, KEY_HEADS, KEY_HEADS)
    ]


def milliseconds(attend: Attend, inputs: list[Tensor]) -> float:
    finish_device()
    began = time.perf_counter()
    torch.autograd.grad(attend(*inputs).square().sum(), inputs)
    finish_device()
    return (time.perf_counter() - began) * 1000


def rows_of(name: str, prompt: int, answers: list[int], repeats: int) -> list[Row]:
    arms = {"in parts": in_parts(prompt, answers), "mask": with_a_mask(prompt, answers)}
    if GPU:
        arms["FlexAttention"] = by_flex_attention(prompt, answers)
    inputs = states(prompt + sum(answers))
    ours = arms["in parts"](*inputs)
    for arm, attend in arms.items():
        difference = (attend(*inputs) - ours).abs().max().item()
        if difference > TOLERANCE:
            sys.exit(f"{arm} differs from the attention in parts by {difference:.2g}.")
        milliseconds(attend, inputs)  # warms up, compiles
    times: dict[str, list[float]] = {arm: [] for arm in arms}
    for _ in range(repeats):
        for arm, attend in arms.items():
            times[arm].append(milliseconds(attend, inputs))
    print(f"# {name}: " + ", ".join(f"{a} {statistics.median(t):.3g} ms" for a, t in times.items()))
    peers = [arm for arm in arms if arm != "in parts"]
    return [
        compared(f"{name} against {arm}", "ms", times["in parts"], times[arm], more_is_better=False)
        for arm in peers
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    print(f"# {machine()}")
    torch.manual_seed(0)
    rows: list[Row] = []
    for name, (prompt, answers) in SHAPES.items():
        rows += rows_of(name, prompt, answers, options.repeats)
    show(rows, as_json=options.json)


if __name__ == "__main__":
    main()
