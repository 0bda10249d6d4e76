"""What a comparison of a pretrained and a fresh model is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from rewardmodel.learning.configs.base import Config, require

METHODS = ("probe", "finetune")


@dataclass(frozen=True, kw_only=True)
class PretrainingConfig(Config):
    """What pretraining helps: stages 2 and 3, each from a pretrained model and from a fresh one of
    the same shape, on the same data, in the same order, all weights trained. Leaves a report."""

    FOR_PROJECTS: ClassVar[frozenset[str]] = Config.FOR_PROJECTS | {
        *("steps", "examples_per_step", "learning_rate", "fresh_learning_rate", "method"),
        *("evaluations", "heldout_examples", "block_tokens", "group_tokens", "max_new_tokens"),
    }

    RANGES: ClassVar[Mapping[str, tuple[float, float]]] = {
        **Config.RANGES,
        **{"learning_rate": (1e-12, 10), "fresh_learning_rate": (1e-12, 10)},
        **{"examples_per_step": (1, 100_000), "steps": (1, 10_000_000)},
        **{"block_tokens": (8, 1_000_000), "heldout_examples": (1, 100_000)},
        **{"evaluations": (1, 1000), "group_tokens": (3, 1_000_000)},
        **{"max_new_tokens": (1, 100_000)},
    }

    snapshot: str
    """JSONL file of ranked groups, for stage 3."""
    demonstrations: str
    """JSONL file of demonstrations, for stage 2."""
    base_model: str
    """Path or hub name of the pretrained model."""
    steps: int = 60
    """Optimizer steps of stage 2."""
    examples_per_step: int = 8
    """Conversations that one of these steps reads."""
    learning_rate: float = 2e-5
    """Peak, from the pretrained model (arXiv 2307.09288, section 3.1)."""
    fresh_learning_rate: float = 1e-3
    """Peak, from the fresh model, whose random weights have to move far."""
    method: str = "probe"
    """Of stage 3: 'probe', a linear head on what the model makes of an answer, or 'finetune'."""
    evaluations: int = 8
    """How often held-out loss is taken along the way of stage 2."""
    heldout_examples: int = 60
    """Most held-out conversations to evaluate on, evenly spaced."""
    block_tokens: int = 512
    """Tokens of a row of conversations. A longer one loses its start."""
    group_tokens: int = 2048
    """Most tokens of a prompt and its longest answer; a longer prompt loses its start."""
    max_new_tokens: int = 60
    """Longest answer among the samples."""
    adam_epsilon: float = 1e-8
    """PyTorch's; from scratch gradients are small beside the 1e-5 of the other stages."""
    warmup: float = 0.1
    """Share of the steps in which the learning rate rises to its peak."""
    checkpoint_every: int = 50
    """Steps from one checkpoint to the next."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.method in METHODS, "method", f"give {' or '.join(METHODS)}", self)
