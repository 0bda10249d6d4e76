"""How often a model that gained nothing seems to have, by which interval, and how often a gain is
seen: `python bench/deciding.py [--draws 1000] [--resamples 1000]`.

Units of several shapes, all of deviation 1, five to forty; the gain is three standard errors
of equal units. Prints one row a shape and number, in percent.
"""

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from rewardmodel.learning.core import bootstrap

Values = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Values]
UNITS = (5, 10, 20, 40)
GAIN = 3.0  # standard errors


def lognormal(generator: np.random.Generator, count: int) -> Values:
    """Of mean 0 and deviation 1, very seldom a very large loss."""
    drawn = generator.lognormal(0, 1, count)
    values: Values = (math.exp(0.5) - drawn) / math.sqrt(math.exp(2) - math.exp(1))
    return values


SHAPES: dict[str, Draw] = {
    "normal": lambda generator, count: generator.normal(size=count),
    "exponential": lambda generator, count: 1 - generator.exponential(size=count),
    "lognormal": lognormal,
}


def passed(draw: Draw, count: int, spread: float, gain: float, draws: int) -> tuple[float, float]:
    """In percent, by the percentile interval and by the one that decides; sizes are lognormal."""
    generator = np.random.default_rng(1)
    found = np.zeros(2)
    for _ in range(draws):
        sizes = generator.lognormal(0, spread, count)
        sums = sizes * (draw(generator, count) + gain)
        lows = (
            bootstrap.interval(sums, sizes)[0],
            bootstrap.deciding_interval(sums, sizes)[0],
        )
        found += np.array(lows) > 0
    percent = 100 * found / draws
    return float(percent[0]), float(percent[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split(":", 1)[0] if __doc__ else "")
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=1000)
    asked = parser.parse_args()
    bootstrap.RESAMPLES = asked.resamples
    print(f"{'shape':<12} sizes units  no gain: percentile, deciding  gain: percentile, deciding")
    for spread, sizes in ((0.0, "alike"), (1.0, "unlike")):
        for name, draw in SHAPES.items():
            for count in UNITS:
                none = passed(draw, count, spread, 0.0, asked.draws)
                some = passed(draw, count, spread, GAIN / math.sqrt(count), asked.draws // 4)
                figures = "  ".join(f"{each:5.1f}" for each in (*none, *some))
                print(f"{name:<12} {sizes:<6} {count:>4}  {figures}", flush=True)


if __name__ == "__main__":
    main()
