"""In what precision a model reads where its weights are trained or judged."""

from __future__ import annotations

import torch


def arithmetic(device: torch.device) -> torch.autocast:
    """float32 weights everywhere; bfloat16 products of them on a GPU.

    One rule for all readings of a run, so that differences between them are of weights alone.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")
