"""What stages 1 and 2 are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from rewardmodel.learning.configs.base import Config, require

STAGES = ("text", "demonstrations")


@dataclass(frozen=True, kw_only=True)
class LanguageConfig(Config):
    """Stages 1 and 2: a language model from raw text, or from demonstrations."""

    FOR_PROJECTS: ClassVar[frozenset[str]] = Config.FOR_PROJECTS | {
        *("preset", "vocabulary", "text_column", "full", "learning_rate", "examples_per_step"),
        *("epochs", "steps", "block_tokens", "heldout_examples", "evaluations", "max_new_tokens"),
    }

    RANGES: ClassVar[Mapping[str, tuple[float, float]]] = {
        **Config.RANGES,
        **{"vocabulary": (260, 1_000_000), "learning_rate": (1e-12, 10)},
        **{"examples_per_step": (1, 100_000), "epochs": (1, 1000), "steps": (1, 10_000_000)},
        **{"block_tokens": (8, 1_000_000), "heldout_examples": (1, 100_000)},
        **{"evaluations": (1, 1000), "max_new_tokens": (1, 100_000)},
    }

    snapshot: str
    """Raw text (a file, a folder, .jsonl or .parquet), or the JSONL file of demonstrations."""
    base_model: str = ""
    """Path or hub name of the model to continue; empty to start from scratch."""
    stage: str = "text"
    """'text' reads raw text (stage 1), 'demonstrations' conversations (stage 2)."""
    adapter: str | None = None
    """Folder of the parent's adapter on the base model; without one the parent is the base."""
    preset: str = ""
    """Size of a model made from scratch: nano, micro, mini, small or base; see docs/learning.md."""
    vocabulary: int = 4096
    """Tokens of the tokenizer that a model from scratch gets."""
    text_column: str = "text"
    """Which column of JSONL or Parquet rows holds the text."""
    full: bool = False
    """Train all weights instead of a LoRA adapter; always so from scratch."""
    merge: bool = False
    """Leave an ordinary model with the adapter merged, which later stages take as reference."""
    learning_rate: float | None = None
    """Peak; without one 3e-3 from scratch (docs/learning.md's runs of micro; mini got 1e-3),
    2e-5 for all weights of a trained model (arXiv 2307.09288, section 3.1), 2e-4 for an adapter
    (arXiv 2305.14314)."""
    examples_per_step: int = 16
    """Blocks of text, or conversations, that one optimizer step reads."""
    epochs: int = 1
    """Passes over the training examples."""
    steps: int | None = None
    """Optimizer steps; without it `epochs` decides."""
    block_tokens: int = 512
    """Tokens of a row: a block of text, or several conversations. A longer one loses its start."""
    heldout_examples: int = 100
    """Most held-out blocks or conversations to evaluate on, evenly spaced."""
    evaluations: int = 4
    """How often held-out loss (with text, a sample too) is taken along the way."""
    max_new_tokens: int = 100
    """Longest sample or answer."""
    adam_epsilon: float = 1e-8
    """PyTorch's; from scratch gradients are small beside the 1e-5 of the other stages."""
    warmup: float = 0.05
    """Share of the steps in which the learning rate rises to its peak."""
    checkpoint_every: int = 50
    """Steps from one checkpoint to the next."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.stage in STAGES, "stage", f"give {' or '.join(STAGES)}", self)
