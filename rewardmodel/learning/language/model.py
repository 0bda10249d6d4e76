"""What stages 1 and 2 teach, and from what: a model, its training and held-out examples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from accelerate import Accelerator
from peft import PeftModel
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from annotation.exchange.files import complete_or_absent
from annotation.lm.chat import Chat, ChatError, Messages
from annotation.lm.decoding import within_context
from annotation.lm.loading import load_causal_lm, load_tokenizer
from annotation.lm.sampler import SamplingParameters, derive_seed, sample_groups, stop_ids
from rewardmodel.learning.configs import ConfigError, LanguageConfig
from rewardmodel.learning.core.adapters import save_adapter, with_trainable_adapter
from rewardmodel.learning.core.distributed import arithmetic
from rewardmodel.learning.core.group_packing import EncodedGroup, fit
from rewardmodel.learning.core.run_folder import RunFolder
from rewardmodel.learning.core.snapshot import DemonstrationRow, SnapshotError, read_demonstrations
from rewardmodel.learning.core.text_packing import (
    IGNORED,
    Example,
    TokenLosses,
    choose_row_layout,
    conversation,
    row_batches,
)
from rewardmodel.learning.language.from_scratch import new_model, preset_of, train_tokenizer
from rewardmodel.learning.language.metrics import (
    LanguageMetrics,
    language_metrics,
    unigram_entropy,
)
from rewardmodel.learning.language.text import read_pieces, text_files
from rewardmodel.learning.language.tokens import (
    TextBlocks,
    open_tokens,
    separator_id,
    write_tokens,
)

TOKENIZER_BYTES = 32 << 20
"""About how much text a tokenizer from scratch is trained on, spread over the whole."""
PROMPT_TOKENS = 32
"""Held-out text that a sample goes on from."""
Item = TypeVar("Item")


@dataclass(frozen=True)
class Lessons:
    """Examples to train on and held-out ones, with what is worth reporting of them.

    `prompts` are to be answered before and after; `opening` is held-out text to go on from.
    """

    train: Sequence[Example]
    heldout: Sequence[Example]
    facts: dict[str, Any]
    bytes_per_token: float | None = None
    prompts: list[Messages] = field(default_factory=list)
    opening: list[int] = field(default_factory=list)


def get_tokenizer(
    config: LanguageConfig, run: RunFolder, accelerator: Accelerator
) -> PreTrainedTokenizerBase:
    """The parent's, or a new one, trained on the training text and kept in the run folder."""
    if config.base_model:
        return load_tokenizer(config.base_model)
    folder = run.path / "tokenizer"
    if accelerator.is_main_process and not folder.exists():
        source = Path(config.snapshot)
        size = sum(path.stat().st_size for path in text_files(source))
        stride = max(1, -(-size // TOKENIZER_BYTES))
        pieces = read_pieces(source, config.text_column, config.heldout_percent)
        texts = (
            piece.text
            for number, piece in enumerate(pieces)
            if number % stride == 0 and piece.split == "train"
        )
        with complete_or_absent(folder) as aside:
            train_tokenizer(texts, config.vocabulary).save_pretrained(aside)
    accelerator.wait_for_everyone()
    return cast(PreTrainedTokenizerBase, AutoTokenizer.from_pretrained(folder))


def text_lessons(
    config: LanguageConfig,
    tokenizer: PreTrainedTokenizerBase,
    run: RunFolder,
    accelerator: Accelerator,
    length: int,
) -> Lessons:
    """Stage 1's blocks of text; tokenizes the text once, into the run folder."""
    folder = run.path / "tokens"
    source = Path(config.snapshot)
    if accelerator.is_main_process:
        size = sum(path.stat().st_size for path in text_files(source))
        names = ("snapshot", "text_column", "heldout_percent", "base_model", "vocabulary")
        write_tokens(
            read_pieces(source, config.text_column, config.heldout_percent),
            tokenizer,
            folder,
            {"bytes": size, **{name: getattr(config, name) for name in names}},
            lambda done: run.progress("loading", min(done, size), size),
        )
    accelerator.wait_for_everyone()
    files = open_tokens(folder)
    separator = separator_id(tokenizer)
    blocks = {split: TextBlocks(file.tokens, length, separator) for split, file in files.items()}
    heldout = _spread(blocks["heldout"], config.heldout_examples)
    return Lessons(
        train=blocks["train"],
        heldout=heldout,
        facts={
            "unigram_entropy": _entropy_of(heldout),
            "train_tokens": len(files["train"].tokens),
            "train_documents": files["train"].documents,
            "heldout_documents": files["heldout"].documents,
        },
        bytes_per_token=files["heldout"].bytes_per_token,
        opening=files["heldout"].tokens[:PROMPT_TOKENS].tolist(),
    )


def demonstration_lessons(
    config: LanguageConfig, tokenizer: PreTrainedTokenizerBase, length: int
) -> Lessons:
    """Stage 2's conversations; over-long ones lose their start."""
    chat = Chat(tokenizer)
    data = read_demonstrations(Path(config.snapshot), config.heldout_percent)
    train, shortened = _encode(chat, data.train, length)
    rows = _spread(data.heldout, config.heldout_examples)
    heldout, heldout_shortened = _encode(chat, rows, length)
    return Lessons(
        train=train,
        heldout=heldout,
        facts={
            "unigram_entropy": _entropy_of(heldout),
            "train_conversations": len(train),
            "heldout_conversations": len(data.heldout),
            "shortened": shortened + heldout_shortened,
            "skipped": dict(data.skipped),
        },
        prompts=[row.prompt for row in _spread(data.heldout or data.train, 10)],
    )


def _encode(chat: Chat, rows: Sequence[DemonstrationRow], length: int) -> tuple[list[Example], int]:
    """The rows' tokens, at most `length` + 1 each, and how many had to be shortened."""
    examples, shortened = [], 0
    for row in rows:
        try:
            whole = EncodedGroup(chat.prompt_ids(row.prompt), [chat.answer_ids(row.answer)])
        except ChatError as error:
            raise SnapshotError(f"Demonstration {row.id}: {error}") from error
        group = fit(whole, length + 1)  # the last token is a target only
        shortened += group != whole
        examples.append(conversation(group))
    return examples, shortened


def _spread(items: Sequence[Item], most: int) -> list[Item]:
    """At most `most` of the items, evenly spaced."""
    count = min(most, len(items))
    return [items[i * len(items) // count] for i in range(count)]


def _entropy_of(examples: Sequence[Example]) -> float | None:
    targets = [s.targets[s.targets != IGNORED] for example in examples for s in example]
    return unigram_entropy(torch.cat(targets).bincount().tolist()) if targets else None


class LanguageModel:
    """The model that learns: new, or a parent with a trainable adapter, or all of a parent."""

    def __init__(
        self, config: LanguageConfig, tokenizer: PreTrainedTokenizerBase, device: torch.device
    ) -> None:
        """Raises PolicyUnavailable and ConfigError."""
        self.config, self.chat, self.device = config, Chat(tokenizer), device
        self.adapted: PeftModel | None = None
        if config.base_model:
            self.network = self._load_parent()
        else:
            self.network = new_model(preset_of(config.preset), tokenizer)
        self.network.to(device).eval()  # type: ignore[arg-type]  # dropout stays off
        self.losses = TokenLosses(self.network)
        self.row_tokens = within_context(self.network, config.block_tokens, "block_tokens")
        self.layout = choose_row_layout(self.losses, self.row_tokens)

    def _load_parent(self) -> PreTrainedModel:
        config = self.config
        base = load_causal_lm(config.base_model, torch.float32)
        if not config.full:
            self.adapted = with_trainable_adapter(base, config.adapter, config.lora_rank)
            return cast(PreTrainedModel, self.adapted.get_base_model())
        if config.adapter is not None:
            parent = with_trainable_adapter(base, config.adapter, config.lora_rank)
            base = cast(PreTrainedModel, parent.merge_and_unload())
        return base.requires_grad_(True)

    @property
    def trained(self) -> int:
        """How many weights are trained."""
        return sum(p.numel() for p in self.losses.parameters() if p.requires_grad)

    @torch.no_grad()
    def evaluate(self, heldout: Sequence[Example], accelerator: Accelerator) -> LanguageMetrics:
        """Held-out loss; every process reads its share."""
        mine = heldout[accelerator.process_index :: accelerator.num_processes]
        sums = torch.zeros(2, device=self.device, dtype=torch.float64)
        for batch in row_batches(mine, self.row_tokens, self.config.tokens_per_batch):
            with arithmetic(self.device):
                losses = self.losses(self.layout(batch).to(self.device))
            sums += torch.stack([losses.sum().double(), sums.new_tensor(len(losses))])
        total, tokens = accelerator.reduce(sums, reduction="sum").tolist()
        return language_metrics(total, round(tokens))

    @torch.no_grad()
    def go_on(self, opening: list[int]) -> dict[str, str]:
        """Text sampled at temperature 1 after an opening, the same for the same weights."""
        ids = torch.tensor([opening], device=self.device)
        with torch.random.fork_rng():
            torch.manual_seed(self.config.seed)
            output = self.network.generate(  # type: ignore[operator]
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=self.config.max_new_tokens,
                do_sample=True,
                temperature=1.0,
                top_k=0,
                top_p=1.0,
                pad_token_id=self.chat.pad,
            )[0]
        decode = self.chat.tokenizer.decode
        return {
            "prompt": cast(str, decode(opening, skip_special_tokens=True)),
            "text": cast(str, decode(output[len(opening) :], skip_special_tokens=True)),
        }

    def answers(self, prompts: Sequence[Messages]) -> list[str]:
        """One answer to each prompt, sampled at temperature 1 with the run's seed."""
        parameters = SamplingParameters(max_new_tokens=self.config.max_new_tokens)
        groups = sample_groups(
            self.network,
            self.chat.tokenizer,
            prompts,
            1,
            parameters,
            derive_seed(self.config.seed, -1),
        )
        return [group[0].text for group in groups]

    def save(self, folder: Path) -> None:
        """An adapter folder, or an ordinary model whose answers stop; the tokenizer with it."""
        if self.adapted is not None and not self.config.merge:
            save_adapter(self.adapted, folder)
        else:
            if self.adapted is not None:
                self.network = cast(PreTrainedModel, self.adapted.merge_and_unload())
            generation = self.network.generation_config
            if generation is not None:
                ends = {*stop_ids(self.network, self.chat), separator_id(self.chat.tokenizer)}
                generation.eos_token_id = sorted(ends)
                generation.pad_token_id = self.chat.pad
            self.network.config.pad_token_id = self.chat.pad
            self.network.save_pretrained(folder)
        self.chat.tokenizer.save_pretrained(folder)


def check(config: LanguageConfig) -> None:
    """Raises ConfigError for fields that do not go together."""
    if config.base_model and config.preset:
        raise ConfigError("Give base_model to continue a model, or preset for a new one; not both.")
    if not config.base_model and not config.preset:
        raise ConfigError("Give base_model to continue a model, or preset for one from scratch.")
    if config.stage == "demonstrations" and not config.base_model:
        raise ConfigError("Demonstrations need a base_model; make one from raw text first.")
    if config.adapter and not config.base_model:
        raise ConfigError("An adapter needs its base_model.")


def peak_learning_rate(config: LanguageConfig) -> float:
    """The given one, or what suits the weights that are trained (sources: LanguageConfig)."""
    if config.learning_rate is not None:
        return config.learning_rate
    if not config.base_model:
        return 3e-3
    return 2e-5 if config.full else 2e-4


def metrics_to_report(metrics: LanguageMetrics, lessons: Lessons) -> dict[str, Any]:
    """As in result.json; bits a byte of text compare models with different tokenizers."""
    bits = None
    if metrics.loss is not None and lessons.bytes_per_token:
        bits = metrics.loss / math.log(2) / lessons.bytes_per_token
    return {**asdict(metrics), "bits_per_byte": bits}
