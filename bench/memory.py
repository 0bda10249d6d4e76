"""The memory of a running `make up`: `python bench/memory.py [--seconds N] [--report FILE]`.

Adds up the proportional set size (PSS: a page shared by n processes counts 1/n for each) and the
resident set size (RSS) of the launcher and all that descends from it, by process of the Procfile,
once a second, and prints the peaks in MiB. A training run counts apart from its worker. Linux only.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

NAMES = {
    "redis-server": "redis",
    "config.up": "launcher",
    "config.wsgi": "web",
    "beat": "beat",
    "default": "default",
    "accelerator": "accelerator",
}
TRAINING = "train_"
MIB = 1024 * 1024


@dataclass(frozen=True)
class Usage:
    """Bytes."""

    pss: int = 0
    rss: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.pss + other.pss, self.rss + other.rss)


def launcher() -> psutil.Process:
    """The only `python -m config.up` of this machine."""
    found = [
        process
        for process in psutil.process_iter(["cmdline"])
        if (process.info["cmdline"] or [])[1:3] == ["-m", "config.up"]
    ]
    if len(found) != 1:
        sys.exit(f"{len(found)} launchers run: start `make up` once, or name one with --pid.")
    return found[0]


def named(process: psutil.Process, inherited: str) -> str:
    words = process.cmdline()
    if any(TRAINING in Path(word).name for word in words):
        return "training"
    return next((name for mark, name in NAMES.items() if mark in words), inherited)


def tree(process: psutil.Process, name: str = "launcher") -> Iterator[tuple[str, psutil.Process]]:
    """The process and its descendants, each named after the nearest one with a name."""
    with suppress(psutil.NoSuchProcess):
        name = named(process, name)
        yield name, process
        for child in process.children():
            yield from tree(child, name)


def measure(root: psutil.Process) -> dict[str, Usage]:
    usage: dict[str, Usage] = defaultdict(Usage)
    for name, process in tree(root):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            memory = process.memory_full_info()
            usage[name] += Usage(memory.pss, memory.rss)
    usage["web + beat"] = usage["web"] + usage["beat"]
    usage["everything"] = sum(
        (each for name, each in usage.items() if name != "web + beat"), start=Usage()
    )
    return usage


def watch(root: psutil.Process, seconds: float) -> dict[str, Usage]:
    """The highest of each figure in `seconds`, or until the launcher or the reader stops it."""
    peaks: dict[str, Usage] = {}
    end = time.monotonic() + seconds
    with suppress(KeyboardInterrupt):
        while time.monotonic() < end and root.is_running():
            for name, now in measure(root).items():
                peak = peaks.get(name, Usage())
                peaks[name] = Usage(max(peak.pss, now.pss), max(peak.rss, now.rss))
            time.sleep(1)
    return peaks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pid", type=int, help="the launcher, when several run")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="until Ctrl-C")
    parser.add_argument("--report", type=Path, help="also write the peaks there, as JSON")
    options = parser.parse_args()
    peaks = watch(psutil.Process(options.pid) if options.pid else launcher(), options.seconds)
    print(f"{'peak, MiB':<14}{'PSS':>8}{'RSS':>8}")
    for name, peak in sorted(peaks.items(), key=lambda item: item[1].pss):
        print(f"{name:<14}{peak.pss / MIB:>8.0f}{peak.rss / MIB:>8.0f}")
    if options.report:
        figures = {name: {"pss": peak.pss, "rss": peak.rss} for name, peak in peaks.items()}
        options.report.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
