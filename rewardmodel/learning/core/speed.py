"""What training costs: memory, and tokens a second."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch

STATM = Path("/proc/self/statm")


def memory_in_use(device: torch.device) -> int:
    """Bytes: of a GPU the most that this process had there so far, else what it has of the
    machine's now; 0 where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if not STATM.exists():
        return 0
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Pace:
    """Tokens a second from one step to the next."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def step(self, tokens: float) -> dict[str, float]:
        """Of a step that read or wrote so many, and ended just now."""
        began, self._began = self._began, time.monotonic()
        return {"tokens_per_second": tokens / max(self._began - began, 1e-9)}
