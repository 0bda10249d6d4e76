"""What the benches share: runs in processes of their own, medians, spreads, one table."""

import json
import statistics
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
import torch

from annotation.lm.chat import Chat, Message

ROOT = Path(__file__).resolve().parents[1]
MIB = 1024 * 1024
SENTENCE = (
    "The teacher reads what the class has written, and says which answer is clearer and why. "
)
Runs = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Row:
    """Ours against a peer; `ratio` is above 1 where ours is better, from `low` to `high`."""

    name: str
    ours: float
    peer: float
    unit: str
    ratio: float
    low: float
    high: float


def compared(
    name: str, unit: str, ours: Sequence[float], peer: Sequence[float], *, more_is_better: bool
) -> Row:
    """Medians over repeats; the ratio's spread is that of the repeats' own ratios."""
    ratios = [(o / p if more_is_better else p / o) for o, p in zip(ours, peer, strict=True)]
    return Row(
        name,
        statistics.median(ours),
        statistics.median(peer),
        unit,
        statistics.median(ratios),
        min(ratios),
        max(ratios),
    )


def show(rows: Sequence[Row], *, as_json: bool) -> None:
    """The table, and as the last line the same as JSON when asked for."""
    width = max(len(row.name) for row in rows)
    print(f"{'':<{width}}  {'ours':>10}  {'peer':>10}  {'unit':<10}  {'ratio':>6}  spread")
    for row in rows:
        print(
            f"{row.name:<{width}}  {row.ours:>10.4g}  {row.peer:>10.4g}  {row.unit:<10}"
            f"  {row.ratio:>6.2f}  {row.low:.2f} to {row.high:.2f}"
        )
    if as_json:
        print(json.dumps({"rows": [asdict(row) for row in rows]}))


def run_apart(script: Path, task: dict[str, Any]) -> dict[str, Any]:
    """Runs the script in a process of its own; its last line of output, a JSON object."""
    done = subprocess.run(
        [sys.executable, str(script), json.dumps(task)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{script.name} failed on {task}:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def interleaved(
    script: Path, arms: Sequence[str], repeats: int, task_of: Callable[[str, int], dict[str, Any]]
) -> Runs:
    """Every arm's repeats, in turn, each in a process of its own; prints each as it comes.

    So no arm warms another's caches or holds another's memory, and a disturbance hits all arms.
    """
    runs: Runs = defaultdict(list)
    for repeat in range(repeats):
        for arm in arms:
            found = run_apart(script, {"arm": arm, **task_of(arm, repeat)})
            runs[arm].append(found)
            print(f"# {arm} {found}", flush=True)
    return runs


def of(runs: Runs, arm: str, figure: str) -> list[float]:
    """That figure of each of an arm's repeats."""
    return [run[figure] for run in runs[arm]]


def memory_row(name: str, runs: Runs, ours: str, peer: str) -> Row:
    peaks = ([peak / MIB for peak in of(runs, arm, "peak_bytes")] for arm in (ours, peer))
    return compared(f"{name}: memory", "MiB peak", *peaks, more_is_better=False)


@dataclass
class Peak:
    """Most bytes held: of the GPU where there is one, else resident in this process."""

    bytes: int = field(default=0)


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """The peak inside the block, looked at every 10 ms on the CPU."""
    peak = Peak()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        yield peak
        peak.bytes = torch.cuda.max_memory_allocated()
        return
    process, ended = psutil.Process(), threading.Event()

    def watch() -> None:
        while not ended.wait(0.01):
            peak.bytes = max(peak.bytes, process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()


def finish_device() -> None:
    """A GPU works on after it was told to; waits for it."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def prompts_of(chat: Chat, tokens: int, count: int) -> list[list[Message]]:
    """`count` different questions of about so many tokens, template included."""
    prompts = []
    for number in range(count):
        text = f"Question {number}. "
        while len(chat.prompt_ids(_asked(text + SENTENCE))) <= tokens:
            text += SENTENCE
        prompts.append(_asked(text))
    return prompts


def _asked(text: str) -> list[Message]:
    return [{"role": "user", "content": text}]


def machine() -> str:
    """In words, for the head of a table."""
    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    load = psutil.getloadavg()[0]
    return (
        f"{psutil.cpu_count()} CPU cores, {torch.get_num_threads()} threads, "
        f"load {load:.1f}, torch {torch.__version__}"
    )
