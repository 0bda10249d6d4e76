"""In what precision a model reads where its weights are trained or judged."""

from __future__ import annotations

import torch


def arithmetic(device: torch.device) -> torch.autocast:
    """float32 weights everywhere; bfloat16 products of them on a GPU.

    One rule for all readings that are trained on or compared, so that differences between them are
    of weights alone.
    """
    # Without the cache, which would hold a copy of every weight until the end of the reading.
    return torch.autocast(
        device.type, torch.bfloat16, enabled=device.type == "cuda", cache_enabled=False
    )


def float32(device: torch.device) -> torch.autocast:
    """float32 products, inside of `arithmetic` too: for heads whose differences are small."""
    return torch.autocast(device.type, enabled=False)
