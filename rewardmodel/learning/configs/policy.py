"""What stage 4 is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from rewardmodel.learning.configs.base import Config, ConfigError, require

CREDITS = ("token", "answer")
ALGORITHMS = ("rloo", "ppo", "dpo", "best_of_n")
PREFERENCE_LOSSES = ("pairwise", "listwise")


@dataclass(frozen=True, kw_only=True)
class PolicyConfig(Config):
    """Stage 4: a better policy from a reward model, or straight from rankings."""

    FOR_PROJECTS: ClassVar[frozenset[str]] = Config.FOR_PROJECTS | {
        *("algorithm", "learning_rate", "steps", "prompts_per_step", "answers_per_prompt"),
        *("credit", "credit_decay"),
        *(
            "max_new_tokens",
            "beta",
            "missing_end_penalty",
            "uncertainty_price",
            "without_length",
            "kl_budget",
            "heldout_prompts",
        ),
        *("heldout_answers", "inner_epochs", "ratio_clip", "check_every", "check_prompts"),
        *("pretraining_gamma", "pretraining_blocks", "gae_lambda", "value_clip", "value_weight"),
        *(
            "preference_loss",
            "dpo_beta",
            "dpo_learning_rate",
            "groups_per_step",
            "epochs",
            "group_tokens",
        ),
        "best_of",
    }

    RANGES: ClassVar[Mapping[str, tuple[float, float]]] = {
        **Config.RANGES,
        **{"learning_rate": (1e-12, 10), "steps": (1, 1_000_000)},
        **{"prompts_per_step": (1, 100_000), "answers_per_prompt": (2, 1024)},
        **{"max_new_tokens": (1, 100_000), "beta": (0, 1000), "missing_end_penalty": (0, 1000)},
        **{"credit_decay": (0, 1), "uncertainty_price": (0, 1000)},
        **{"kl_budget": (0, 1e6), "heldout_prompts": (1, 100_000), "heldout_answers": (1, 1024)},
        **{"inner_epochs": (1, 1000), "ratio_clip": (0.001, 0.999)},
        **{"check_every": (0, 1_000_000), "check_prompts": (1, 100_000)},
        **{"pretraining_gamma": (0, 1e6), "pretraining_blocks": (1, 100_000)},
        **{"gae_lambda": (0, 1), "value_clip": (1e-9, 1e9), "value_weight": (0, 1e6)},
        **{"dpo_beta": (1e-6, 1000), "dpo_learning_rate": (1e-12, 10)},
        **{"groups_per_step": (1, 100_000), "epochs": (1, 1000)},
        **{"group_tokens": (3, 1_000_000), "best_of": (1, 10_000)},
    }

    algorithm: str = "rloo"
    """'rloo', 'ppo', 'dpo', which learns straight from rankings, or 'best_of_n', which trains
    nothing and leaves a report."""
    reward_model: str = ""
    """Folder of a reward model that stage 3 made. dpo learns without one, too: but then none
    judges, and the policy does not serve by itself."""
    adapter: str | None = None
    """Folder of the parent's adapter; without one the parent is the base model."""
    learning_rate: float | None = None
    """rloo and ppo: peak, of the adapter; None: 6e-4 from the base model on, by experiment with 17
    training prompts, 135M model; 2e-4 from a parent's adapter on, by one with 95 (at 6e-4 the
    divergence of 5 nats had doubled after two steps)."""
    steps: int = 32
    """Rounds of sampling, scoring and one update; 32 by experiment with six teachers
    (docs/learning.md)."""
    prompts_per_step: int = 6
    """Training prompts answered in one step."""
    answers_per_prompt: int = 4
    """K of a rollout's groups, at least 2."""
    max_new_tokens: int = 64
    """Longest answer."""
    tokens_per_batch: int = 512
    """Padded tokens of one forward and backward pass; bounds the memory, not the result. A group of
    more than three times as many is read in parts, its answers once more without gradients."""
    beta: float = 0.05
    """Price of one nat of divergence from the reference, in reward; as in TRL 1.16."""
    missing_end_penalty: float = 2.0
    """Most that is taken from the reward of an answer that does not end by itself; only so much is
    as keeps answers ending as often as the base model's."""
    credit: str = "token"
    """rloo: 'token', each word is credited with what it and the words after it are to a reward
    model that reads a mean over them; 'answer', a whole answer is one decision (arXiv
    2402.14740)."""
    credit_decay: float = 0.9
    """rloo by token: how much of a word's credit the word before it has, too; by experiment with
    one teacher (docs/learning.md): best of 0.8, 0.9, 0.97 and 1."""
    uncertainty_price: float = 0.0
    """Taken from an answer's reward for each deviation that the reward model is unsure of it."""
    without_length: bool = False
    """Leave out of the scores, in training and in the gate, what a reward model with a fitted head
    gives to an answer's length."""
    kl_budget: float = 20.0
    """Largest mean divergence from the reference, in nats an answer."""
    heldout_prompts: int = 32
    """Most held-out prompts to evaluate on."""
    heldout_answers: int = 4
    """Answers to each held-out prompt by the parent and by the new policy."""
    inner_epochs: int = 1
    """Updates on the same answers; with 1 each answer is used once, as it was sampled."""
    ratio_clip: float = 0.2
    """How far a probability ratio may move in a step's updates (arXiv 1707.06347, section 6.1)."""
    check_every: int = 6
    """Steps from one check for reward hacking to the next; 0 for none."""
    check_prompts: int = 8
    """Most held-out prompts answered in a check, `heldout_answers` times each."""
    heldout_reward_model: str = ""
    """Folder of another reward model to judge the checks, and by which the held-out answers may not
    get worse; without one the same judges the checks."""
    pretraining_text: str = ""
    """Raw text (a file, a folder, .jsonl or .parquet) to keep likely; empty for none."""
    pretraining_gamma: float = 27.8
    """Price of one nat a token on that text (arXiv 2203.02155, equation 2 and appendix C.4)."""
    pretraining_blocks: int = 4
    """Blocks of `tokens_per_batch` tokens of that text that one update reads."""
    gae_lambda: float = 0.95
    """PPO: how far advantages look past the value function (arXiv 1506.02438); discount is 1."""
    value_clip: float = 0.2
    """PPO: how far a value may move in a step's updates before it earns nothing more."""
    value_weight: float = 0.1
    """PPO: weight of the value function's loss beside the policy's (arXiv 1909.08593's code)."""
    rollout_server: str = ""
    """Address of an OpenAI-compatible server that samples; empty for the local sampler. It must
    see the output's parent folder, where each step's adapter is put."""
    preference_loss: str = "pairwise"
    """dpo: 'pairwise', over each labeler's strict pairs, or 'listwise', over whole rankings by the
    Plackett-Luce model (arXiv 2305.18290, equations 7 and 20)."""
    dpo_beta: float = 0.1
    """dpo: implicit reward of one nat of divergence from the reference; as in arXiv 2305.18290,
    appendix B, and TRL 1.16."""
    dpo_learning_rate: float = 2e-4
    """dpo: peak, of the adapter; by experiment with 18 groups of people's rankings, 135M model:
    after 12 steps of 3 groups the held-out log loss is 0.685, with 6e-4 0.700 (48 pairs, one
    seed)."""
    groups_per_step: int = 6
    """dpo: ranked groups that one update reads."""
    epochs: int = 1
    """dpo: passes over the groups; in that experiment a second one took it from 0.688 to 0.685."""
    group_tokens: int = 2048
    """dpo: most tokens of a prompt and its longest answer; a longer prompt loses its start."""
    best_of: int = 16
    """best_of_n: answers to each held-out prompt; the report goes up to the best of as many."""

    def __post_init__(self) -> None:
        super().__post_init__()
        named = self.algorithm in ALGORITHMS
        require(named, "algorithm", f"give one of {', '.join(ALGORITHMS)}", self)
        advice = f"give one of {', '.join(CREDITS)}"
        require(self.credit in CREDITS, "credit", advice, self)
        named = self.preference_loss in PREFERENCE_LOSSES
        advice = f"give one of {', '.join(PREFERENCE_LOSSES)}"
        require(named, "preference_loss", advice, self)

    @property
    def peak_learning_rate(self) -> float:
        """The given one, or what suits where the policy starts."""
        if self.learning_rate is not None:
            return self.learning_rate
        return 6e-4 if self.adapter is None else 2e-4

    def require_inputs(self) -> None:
        if not self.reward_model and self.algorithm != "dpo":
            raise ConfigError("Missing: --reward-model, without which only dpo learns.")
