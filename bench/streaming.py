"""The memory of stage 1 by the size of its text: `python bench/streaming.py [--megabytes N ...]`.

Makes a text of each size from random words, trains the smallest model on it for a few steps in a
process of its own, and prints that process's peaks in MiB. What it mapped from disk (the tokens,
the libraries) the system may take back; its own memory must not grow with the text.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil

SCRIPT = Path(__file__).resolve().parents[1] / "rewardmodel" / "learning" / "train_language.py"
TRAINING = {"--preset": "nano", "--steps": "5", "--evaluations": "1", "--max-new-tokens": "8"}
WORDS = 50_000
MIB = 1024 * 1024


def lines(megabytes: int, seed: int = 0) -> Iterator[str]:
    """So much text of made-up words, some much more frequent than others (Zipf's law)."""
    generator = np.random.default_rng(seed)
    letters = generator.integers(ord("a"), ord("z") + 1, (WORDS, 12), dtype=np.uint8)
    lengths = generator.integers(1, 13, WORDS)
    words = [row[:n].tobytes().decode() for row, n in zip(letters, lengths, strict=True)]
    written = 0
    while written < megabytes * 1_000_000:
        chosen = generator.zipf(1.3, 1000) % WORDS
        line = " ".join(words[i] for i in chosen) + ".\n"
        written += len(line)
        yield line


def peaks(text: Path, folder: Path) -> tuple[float, float, float]:
    """Peak of its own memory and of all that was resident, in MiB, and the seconds it took."""
    flags = {"--stage": "text", "--snapshot": str(text), "--output": str(folder / "model")}
    command = [sys.executable, str(SCRIPT)]
    command += [part for pair in {**flags, **TRAINING}.items() for part in pair]
    began = time.monotonic()
    own = resident = 0
    with subprocess.Popen(command) as running:
        process = psutil.Process(running.pid)
        while running.poll() is None:
            with suppress(psutil.NoSuchProcess):
                memory = process.memory_info()
                own = max(own, memory.rss - memory.shared)
                resident = max(resident, memory.rss)
            time.sleep(0.1)
    if running.returncode:
        sys.exit(running.returncode)
    return own / MIB, resident / MIB, time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description="Stage 1's memory by the size of its text.")
    parser.add_argument("--megabytes", type=int, nargs="+", default=[3, 300])
    print(f"{'text, MB':>10}{'own, MiB':>10}{'resident, MiB':>15}{'seconds':>9}", flush=True)
    for megabytes in parser.parse_args().megabytes:
        with TemporaryDirectory() as folder:
            text = Path(folder, "text.txt")
            with text.open("w", encoding="utf-8") as file:
                file.writelines(lines(megabytes))
            own, resident, seconds = peaks(text, Path(folder))
        print(f"{megabytes:>10}{own:>10.0f}{resident:>15.0f}{seconds:>9.0f}", flush=True)


if __name__ == "__main__":
    main()
