"""What a run does: one frozen dataclass a stage, read from config.json and from flags."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints


class ConfigError(ValueError):
    """A configuration that cannot be used; the text says which field and why."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """What every stage needs. Paths may be relative to where the run is started."""

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
    """Rank of the adapter; its alpha is twice the rank (arXiv 2106.09685)."""
    gradient_clip: float = 1.0
    """Largest norm of a step's gradient."""
    adam_epsilon: float = 1e-5
    """InstructGPT (arXiv 2203.02155), appendix C."""
    final_learning_rate: float = 0.1
    """Where the cosine ends, as a share of the peak (arXiv 2203.02155, appendix C)."""
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
        at_least_one = ("lora_rank", "tokens_per_batch", "checkpoint_every")
        for name in at_least_one:
            require(getattr(self, name) >= 1, name, "give 1 or more", self)
        require(0 <= self.heldout_percent < 100, "heldout_percent", "give 0 to 99", self)
        require(0 <= self.warmup < 1, "warmup", "give a share from 0 to below 1", self)
        require(self.weight_decay >= 0, "weight_decay", "give 0 or more", self)


STAGES = ("text", "demonstrations")


@dataclass(frozen=True, kw_only=True)
class LanguageConfig(Config):
    """Stages 1 and 2: a language model from raw text, or from demonstrations."""

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
    """Peak; without one 3e-3 from scratch (docs/learning.md's runs; no other value was tried),
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
    """PyTorch's; gradients from scratch are smaller than those InstructGPT's 1e-5 is for."""
    warmup: float = 0.05
    """Share of the steps in which the learning rate rises to its peak."""
    checkpoint_every: int = 50
    """Steps from one checkpoint to the next."""

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one = (
            "examples_per_step", "epochs", "heldout_examples", "evaluations", "max_new_tokens",
        )  # fmt: skip
        for name in at_least_one:
            require(getattr(self, name) >= 1, name, "give 1 or more", self)
        require(self.steps is None or self.steps >= 1, "steps", "give 1 or more", self)
        require(self.block_tokens >= 8, "block_tokens", "give 8 or more", self)
        require(self.vocabulary >= 260, "vocabulary", "give 260 or more", self)
        require(self.stage in STAGES, "stage", f"give {' or '.join(STAGES)}", self)


@dataclass(frozen=True, kw_only=True)
class RewardConfig(Config):
    """Stage 3: a reward model from ranked groups."""

    full: bool = False
    """Train all weights instead of a LoRA adapter."""
    learning_rate: float = 3e-4
    """Peak, of the adapter and the head; by experiment on 12 and 15 groups, 135M model."""
    groups_per_step: int = 6
    """Prompt groups that one optimizer step reads."""
    epochs: int = 1
    """Passes over the groups; more than one overfits (arXiv 2203.02155, section 3.5)."""
    minimum_steps: int = 24
    """Steps to take even when that means several epochs; by experiment on 12 and 15 groups."""
    group_tokens: int = 2048
    """Most tokens of a prompt and its longest answer; a longer prompt loses its start."""
    label_smoothing: float = 0.0
    """How far targets are moved towards one half, as a share (arXiv 1512.00567, section 7)."""
    rating_margin: float = 0.0
    """Margin in reward between a rating of 7 and one of 1, less in proportion for closer ones;
    Llama 2 took 1 or 3 for its clearest preferences (arXiv 2307.09288, table 27)."""
    labeler_weights: dict[str, float] | None = None
    """How much each labeler named here counts, as JSON; others as their rankings say, else 1."""
    learning_curve: bool = False
    """Also train on a quarter and on half of the groups, to see what more data would bring."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("groups_per_step", "epochs", "minimum_steps"):
            require(getattr(self, name) >= 1, name, "give 1 or more", self)
        require(self.group_tokens >= 3, "group_tokens", "give 3 or more", self)
        require(0 <= self.label_smoothing < 1, "label_smoothing", "give 0 to below 1", self)
        require(self.rating_margin >= 0, "rating_margin", "give 0 or more", self)
        weights = (self.labeler_weights or {}).values()
        require(all(0 <= w < math.inf for w in weights), "labeler_weights", "give 0 or more", self)


ALGORITHMS = ("rloo", "ppo", "best_of_n")


@dataclass(frozen=True, kw_only=True)
class PolicyConfig(Config):
    """Stage 4: a better policy from a reward model."""

    algorithm: str = "rloo"
    """'rloo', 'ppo', or 'best_of_n', which trains nothing and leaves a report."""
    reward_model: str
    """Folder of a reward model that stage 3 made."""
    adapter: str | None = None
    """Folder of the parent's adapter; without one the parent is the base model."""
    learning_rate: float = 6e-4
    """Peak, of the adapter; by experiment with 17 training prompts, 135M model."""
    steps: int = 16
    """Rounds of sampling, scoring and one update."""
    prompts_per_step: int = 6
    """Training prompts answered in one step."""
    answers_per_prompt: int = 4
    """K of a rollout's groups, at least 2."""
    max_new_tokens: int = 64
    """Longest answer."""
    beta: float = 0.05
    """Price of one nat of divergence from the reference, in reward (DESIGN section 6)."""
    missing_end_penalty: float = 1.0
    """Taken from the reward of an answer that does not end by itself."""
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
    """Folder of another reward model to judge the checks; without one the same judges."""
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
    best_of: int = 16
    """best_of_n: answers to each held-out prompt; the report goes up to the best of as many."""

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one = (
            "steps", "prompts_per_step", "max_new_tokens", "heldout_prompts", "heldout_answers",
            "inner_epochs", "check_prompts", "pretraining_blocks", "best_of",
        )  # fmt: skip
        for name in at_least_one:
            require(getattr(self, name) >= 1, name, "give 1 or more", self)
        require(self.answers_per_prompt >= 2, "answers_per_prompt", "give 2 or more", self)
        require(self.check_every >= 0, "check_every", "give 0 or more", self)
        require(0 < self.ratio_clip < 1, "ratio_clip", "give a number between 0 and 1", self)
        require(self.pretraining_gamma >= 0, "pretraining_gamma", "give 0 or more", self)
        require(0 <= self.gae_lambda <= 1, "gae_lambda", "give 0 to 1", self)
        require(self.value_clip > 0, "value_clip", "give more than 0", self)
        require(self.value_weight >= 0, "value_weight", "give 0 or more", self)
        named = self.algorithm in ALGORITHMS
        require(named, "algorithm", f"give one of {', '.join(ALGORITHMS)}", self)


def require(holds: bool, name: str, advice: str, config: Config) -> None:
    if not holds:
        raise ConfigError(f"{name} is {getattr(config, name)!r}; {advice}.")


AnyConfig = TypeVar("AnyConfig", bound=Config)


def parse_flags(kind: type[Config], arguments: Sequence[str]) -> argparse.Namespace:
    """`run_folder`, `stop_with_parent` and every field of `kind`, None where not given.

    Without --run-folder it lies beside the output. argparse ends the process on a bad flag.
    """
    parser = argparse.ArgumentParser(description=kind.__doc__, allow_abbrev=False)
    parser.add_argument("--run-folder", type=Path, help="where progress and checkpoints go")
    parser.add_argument(
        "--stop-with-parent", action="store_true", help="end when standard input ends"
    )
    hints = get_type_hints(kind)
    for field in fields(kind):
        flag = f"--{field.name.replace('_', '-')}"
        if hints[field.name] is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=None)
        else:
            parser.add_argument(flag, type=_plain_type(hints[field.name]))
    flags = parser.parse_args(arguments)
    if flags.run_folder is None and flags.output is None:
        parser.error("give --run-folder, or --output and the other fields")
    if flags.run_folder is None:
        flags.run_folder = Path(f"{flags.output}.run")
    return flags


def read_config(kind: type[AnyConfig], flags: argparse.Namespace) -> AnyConfig:
    """Flags win over RUN_FOLDER/config.json, which wins over the defaults. Raises ConfigError."""
    values = _read_file(flags.run_folder)
    given = {field.name: getattr(flags, field.name) for field in fields(kind)}
    return _build(kind, {**values, **{k: v for k, v in given.items() if v is not None}})


def _plain_type(hint: Any) -> Any:
    """What turns a flag's text into a value of the hint, None apart."""
    plain = get_args(hint)[0] if isinstance(hint, UnionType) else hint
    return json.loads if get_origin(plain) is dict else plain


def _read_file(run_folder: Path) -> dict[str, Any]:
    path = run_folder / "config.json"
    if not path.exists():
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path} is not JSON: {error.msg}.") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} is not a JSON object.")
    return values


def _build(kind: type[AnyConfig], values: dict[str, Any]) -> AnyConfig:
    known = {field.name: field for field in fields(kind)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(f"Unknown field {', '.join(unknown)}.")
    missing = [
        name for name, field in known.items() if field.default is MISSING and name not in values
    ]
    if missing:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in missing)
        raise ConfigError(f"Missing: {flags}.")
    for name, hint in get_type_hints(kind).items():
        if name in values and not _fits(values[name], hint):
            raise ConfigError(f"{name} is {values[name]!r}; it must be of type {hint}.")
    return kind(**values)


def _fits(value: Any, hint: Any) -> bool:
    if isinstance(hint, UnionType):
        return any(_fits(value, each) for each in get_args(hint))
    if get_origin(hint) is dict:
        name, each = get_args(hint)
        return isinstance(value, dict) and all(
            _fits(key, name) and _fits(item, each) for key, item in value.items()
        )
    if hint is float:
        return isinstance(value, float | int) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


GIVEN_BY_THE_RUN = ("snapshot", "base_model", "output", "reward_model", "adapter", "stage", "merge")


def check_overrides(kind: type[Config], values: dict[str, Any]) -> None:
    """Raises ConfigError unless `values` are fields of `kind` that a project may set."""
    given = sorted(set(values) & set(GIVEN_BY_THE_RUN))
    if given:
        raise ConfigError(f"{', '.join(given)} cannot be set here: each run gives its own.")
    required = {field.name: "" for field in fields(kind) if field.default is MISSING}
    _build(kind, {**required, **values})
