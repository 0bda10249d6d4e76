"""One layer's attention over prompt groups, forward and backward: in parts, as training reads on
the CPU, against one call with a mask of the row's length squared, and on a GPU FlexAttention.

    python bench/attention.py [--repeats 20] [--json]

Random queries, keys and values in the shape of the default model; float32 on the CPU, bfloat16 on
a GPU, where training takes the fastest of the three. They must agree before they are timed.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch
from torch import Tensor

from annotation.lm.packed_attention import READINGS, Packing, Reading, States, by_flex_attention
from bench.comparison import Row, compared, finish_device, machine, show

HEADS, KEY_HEADS, SIZE = 9, 3, 64
SHAPES = {"fine-grained": (706, [98] * 4), "OpenAssistant": (107, [124] * 3)}
"""Tokens of the prompt and of each answer: the sets' medians."""
Attend = Callable[[States], Tensor]
GPU = torch.cuda.is_available()
TOLERANCE = 3e-2 if GPU else 1e-4


def states(length: int) -> States:
    """Of one row."""
    device, dtype = ("cuda", torch.bfloat16) if GPU else ("cpu", torch.float32)
    query, key, value = (
        torch.randn(1, heads, length, SIZE, device=device, dtype=dtype, requires_grad=True)
        for heads in (HEADS, KEY_HEADS, KEY_HEADS)
    )
    return query, key, value


def by_way_of(reading: Reading, packing: Packing) -> Attend:
    return lambda inputs: reading(inputs, packing, None)


def milliseconds(attend: Attend, inputs: States) -> float:
    finish_device()
    began = time.perf_counter()
    torch.autograd.grad(attend(inputs).square().sum(), inputs)
    finish_device()
    return (time.perf_counter() - began) * 1000


def rows_of(name: str, prompt: int, answers: list[int], repeats: int) -> list[Row]:
    packing = Packing([(prompt, 0, answers)], torch.device("cuda" if GPU else "cpu"))
    arms: dict[str, Attend] = {
        arm: by_way_of(reading, packing)
        for arm, reading in READINGS.items()
        if GPU or reading is not by_flex_attention  # no gradients on the CPU
    }
    inputs = states(packing.length)
    ours = arms["in parts"](inputs)
    for arm, attend_by in arms.items():
        difference = (attend_by(inputs) - ours).abs().max().item()
        if difference > TOLERANCE:
            sys.exit(f"{arm} differs from the attention in parts by {difference:.2g}.")
        milliseconds(attend_by, inputs)  # warms up, compiles
    times: dict[str, list[float]] = {arm: [] for arm in arms}
    for _ in range(repeats):
        for arm, attend_by in arms.items():
            times[arm].append(milliseconds(attend_by, inputs))
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
