"""Two sides measured in turn in one process: medians, spreads, a table, and one line of JSON."""

from __future__ import annotations

import json
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20
SENTENCE = (
    "The teacher reads what the class has written, and says which answer is clearer and why. "
)


@dataclass
class Measured:
    """Seconds of one turn, and the largest resident memory of the process in it, MiB (Linux)."""

    seconds: float = 0.0
    peak: float = 0.0


@contextmanager
def measured() -> Iterator[Measured]:
    turn, ended = Measured(), threading.Event()

    def watch() -> None:
        while True:
            resident = int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_MIB
            turn.peak = max(turn.peak, resident)
            if ended.wait(0.02):
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.perf_counter()
    try:
        yield turn
    finally:
        turn.seconds = time.perf_counter() - began
        ended.set()
        watcher.join()


@dataclass
class Row:
    """One comparison; figures of `ours` and `peer` turn by turn, and their peak memory in MiB."""

    name: str
    unit: str
    higher_is_better: bool
    ours: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)
    peaks: list[tuple[float, float]] = field(default_factory=list)

    def ratios(self) -> list[float]:
        """How many times better ours is, turn by turn."""
        pairs = zip(self.ours, self.peer, strict=True)
        return [a / b if self.higher_is_better else b / a for a, b in pairs]

    def summary(self) -> dict[str, float | str]:
        ratios = self.ratios()
        return {
            "name": self.name,
            "ours": statistics.median(self.ours),
            "peer": statistics.median(self.peer),
            "unit": self.unit,
            "ratio": statistics.median(ratios),
            "low": min(ratios),
            "high": max(ratios),
        }


def publish(rows: list[Row], as_json: bool) -> None:
    """The table; with `as_json` a last line that holds an object with its rows."""
    print(f"{'':34} {'ours':>10} {'peer':>10}  {'unit':14} {'ratio':>6} {'low':>6} {'high':>6}")
    for row in rows:
        s = row.summary()
        figures = f"{s['ours']:10.2f} {s['peer']:10.2f}  {s['unit']:14}"
        spread = f"{s['ratio']:6.2f} {s['low']:6.2f} {s['high']:6.2f}"
        print(f"{row.name:34} {figures} {spread}")
        ours, peer = (max(peaks) for peaks in zip(*row.peaks, strict=True))
        print(f"{'  peak memory of the process':34} {ours:10.0f} {peer:10.0f}  MiB")
    if as_json:
        print(json.dumps({"rows": [row.summary() for row in rows]}))


def prompt_of(tokens_of: Callable[[str], int], tokens: int, number: int) -> str:
    """A question of about `tokens` tokens, different for each `number`."""
    text = f"Question {number}. "
    while tokens_of(text + SENTENCE) <= tokens:
        text += SENTENCE
    return text
