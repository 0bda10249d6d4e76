"""What every stage is told, and what it says of a value that makes no sense."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar


class ConfigError(ValueError):
    """A configuration that cannot be used; the text says which field and why."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """What every stage needs. Paths may be relative to where the run is started."""

    FOR_PROJECTS: ClassVar[frozenset[str]] = frozenset(
        (
            *("seed", "heldout_percent", "lora_rank", "gradient_clip", "adam_epsilon"),
            *("final_learning_rate", "tokens_per_batch", "checkpoint_every"),
            *("gradient_checkpointing", "warmup", "weight_decay"),
        )
    )
    """Fields that a project's admins may set, who have no shell on this machine. Every other one,
    a new one too, is closed to them: a path or an address would read what is not theirs."""

    RANGES: ClassVar[Mapping[str, tuple[float, float]]] = {
        **{"seed": (0, 2**32 - 1), "heldout_percent": (0, 99), "lora_rank": (1, 4096)},
        **{"gradient_clip": (1e-9, 1e9), "adam_epsilon": (1e-30, 1), "weight_decay": (0, 100)},
        **{"final_learning_rate": (0, 1), "warmup": (0, 0.99)},
        **{"tokens_per_batch": (1, 10_000_000), "checkpoint_every": (1, 1_000_000)},
    }
    """Smallest and largest value of every number."""

    snapshot: str
    """JSONL file to learn from."""
    base_model: str
    """Path or hub name of a causal language model with a chat template."""
    output: str
    """Folder to make; must not exist yet."""
    seed: int = 0
    """Of initial weights, order and sampling."""
    heldout_percent: int = 20
    """Share of prompts kept for evaluation where the snapshot's rows name no split."""
    lora_rank: int = 16
    """Rank of the adapter (LoRA, arXiv 2106.09685); its alpha is twice the rank."""
    gradient_clip: float = 1.0
    """Largest norm of a step's gradient."""
    adam_epsilon: float = 1e-5
    """As in the code of arXiv 1909.08593; PyTorch takes 1e-8."""
    final_learning_rate: float = 0.1
    """Where the cosine ends, as a share of the peak (arXiv 2203.02155, appendix C.2)."""
    tokens_per_batch: int = 512
    """Padded tokens of one forward and backward pass; bounds the memory, not the result."""
    checkpoint_every: int = 5
    """Steps from one checkpoint to the next."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass: less memory, about a third more time."""
    warmup: float = 0.0
    """Share of the steps in which the learning rate rises to its peak."""
    weight_decay: float = 0.0
    """Of matrices, decoupled (arXiv 1711.05101)."""

    def __post_init__(self) -> None:
        for name in self.RANGES:
            self.require_in_range(name, getattr(self, name))

    @classmethod
    def require_in_range(cls, name: str, value: float | None) -> None:
        """Raises ConfigError where RANGES closes the value out; None is none."""
        least, most = cls.RANGES[name]
        within = value is None or least <= value <= most
        _require(within, name, value, f"give {least} to {most}")

    def require_inputs(self) -> None:
        """Raises ConfigError for an input without which a run of this configuration cannot be; what
        a project sets has none yet."""


def require(holds: bool, name: str, advice: str, config: Config) -> None:
    _require(holds, name, getattr(config, name), advice)


def _require(holds: bool, name: str, value: object, advice: str) -> None:
    if not holds:
        raise ConfigError(f"{name} is {value!r:.100}; {advice}.")
