"""What stage 3 is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from rewardmodel.learning.configs.base import Config, require

HEAVIEST = 1_000_000  # weight of one labeler
METHODS = ("probe", "finetune", "distil")
SECOND_JUDGE = "second"  # its folder, within the reward model's


@dataclass(frozen=True, kw_only=True)
class RewardConfig(Config):
    """Stage 3: a reward model from ranked groups."""

    FOR_PROJECTS: ClassVar[frozenset[str]] = Config.FOR_PROJECTS | {
        *(
            "method",
            "full",
            "learning_rate",
            "groups_per_step",
            "epochs",
            "minimum_steps",
            "group_tokens",
        ),
        *("label_smoothing", "rating_margin", "labeler_weights", "learning_curve", "half"),
        "second_judge",
    }

    RANGES: ClassVar[Mapping[str, tuple[float, float]]] = {
        **Config.RANGES,
        **{"learning_rate": (1e-12, 10), "groups_per_step": (1, 100_000), "epochs": (1, 1000)},
        **{"minimum_steps": (1, 1_000_000), "group_tokens": (3, 1_000_000)},
        **{"label_smoothing": (0, 0.999), "rating_margin": (0, 1000), "half": (0, 2)},
    }

    method: str = "probe"
    """'probe': a linear head on features of the base model, which stays as it is. 'finetune': an
    adapter, or all weights, with a head on each answer's last token. 'distil': the same, from what
    a teacher says of the answers instead of rankings."""
    teacher: str = ""
    """Of method 'distil': folder of the reward model, a probe mostly, whose scores are learned."""
    served: str = ""
    """Folder of the reward model that serves: one that predicts held-out groups worse does not
    replace it."""
    features: str = ""
    """Folder that keeps what was read of answers, so that it is read once; empty for none."""
    full: bool = False
    """Train all weights instead of a LoRA adapter."""
    learning_rate: float = 3e-4
    """Peak, of the adapter and the head; by experiment on 12 and 15 groups, 135M model."""
    groups_per_step: int = 6
    """Prompt groups that one optimizer step reads."""
    epochs: int = 1
    """Passes over the groups; more than one overfits (arXiv 2203.02155, appendix C.2)."""
    minimum_steps: int = 24
    """Steps to take even when that means several epochs; by experiment on 12 and 15 groups."""
    tokens_per_batch: int = 512
    """Padded tokens of one forward and backward pass; bounds the memory, not the result. A group of
    more than three times as many is read in parts, its answers once more without gradients."""
    group_tokens: int = 2048
    """Most tokens of a prompt and its longest answer; a longer prompt loses its start."""
    label_smoothing: float = 0.0
    """How far targets are moved towards one half, as a share (arXiv 1512.00567, section 7)."""
    rating_margin: float = 0.0
    """Margin in reward between a rating of 7 and one of 1, less in proportion for closer ones;
    Llama 2 took 1 or 3 for its clearest preferences (arXiv 2307.09288, table 27)."""
    labeler_weights: dict[str, float] | None = None
    """How much each labeler named here counts, as JSON; others as their rankings say, else 1."""
    demonstrations: str = ""
    """JSONL file of demonstrations, whose mean score is to be 0 (arXiv 2203.02155, section 3.5);
    without one the training answers' is."""
    half: int = 0
    """1 or 2: learn from that half of the training prompts only, by a hash, so that two reward
    models have no label in common; 0 for all."""
    second_judge: bool = False
    """Learn from one half of the training prompts, by a hash, and fit a probe to the other, kept in
    the folder `second` of the output: the policy updates that this reward model teaches are judged
    by it, too."""
    learning_curve: bool = False
    """Also train on a quarter and on half of the groups, to see what more data would bring."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.method in METHODS, "method", f"give one of {', '.join(METHODS)}", self)
        distils = self.method == "distil"
        advice = "method 'distil' needs the folder of a reward model"
        require(bool(self.teacher) or not distils, "teacher", advice, self)
        require(distils or not self.teacher, "teacher", "it goes with method 'distil' only", self)
        advice = "second_judge takes both halves, and is not for method 'distil'"
        divides = self.second_judge and (bool(self.half) or distils)
        require(not divides, "second_judge", advice, self)
        weights = (self.labeler_weights or {}).values()
        within = all(0 <= weight <= HEAVIEST for weight in weights)
        require(within, "labeler_weights", f"give 0 to {HEAVIEST}", self)

    @property
    def own_half(self) -> int:
        """The half of the training prompts that the reward model itself learns from; 0 for all."""
        return 1 if self.second_judge else self.half
