"""What stages 1 and 2 learn from: blocks of text, or conversations, and held-out ones."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from annotation.exchange.files import complete_or_absent
from annotation.exchange.split import prompt_key
from annotation.lm.chat import Chat, Messages
from annotation.lm.loading import load_tokenizer
from rewardmodel.learning.configs import LanguageConfig
from rewardmodel.learning.core.distributed import Processes
from rewardmodel.learning.core.group_packing import EncodedGroup, cut_of, truncate
from rewardmodel.learning.core.row_report import row_counts, row_sentence
from rewardmodel.learning.core.run_folder import RunFolder
from rewardmodel.learning.core.snapshot import naming, read_demonstrations
from rewardmodel.learning.core.snapshot_rows import DemonstrationRow
from rewardmodel.learning.core.text_packing import (
    IGNORED,
    Example,
    conversation,
)
from rewardmodel.learning.language.from_scratch import train_tokenizer
from rewardmodel.learning.language.metrics import (
    LanguageMetrics,
    unigram_entropy,
)
from rewardmodel.learning.language.text import (
    is_held_out_by_ends,
    read_pieces,
    text_files,
)
from rewardmodel.learning.language.tokens import (
    TextBlocks,
    open_tokens,
    separator_id,
    write_tokens,
)

TOKENIZER_BYTES = 32 << 20
"""About how much text a tokenizer from scratch is trained on, spread over the whole."""
STRETCHES = 10
"""Units of held-out text that goes on from the training text: its documents are no sample."""
PROMPT_TOKENS = 32
"""Held-out text that a sample goes on from."""
Item = TypeVar("Item")


@dataclass(frozen=True)
class TrainingSet:
    """Examples to train on and held-out ones, with what is worth reporting of them.

    `units` [held-out examples]: the prompt, document or stretch of text of which each is a part.
    `prompts` are to be answered before and after; `opening` is held-out text to go on from;
    `account` says what became of the rows.
    """

    train: Sequence[Example]
    heldout: Sequence[Example]
    units: Sequence[Hashable]
    facts: dict[str, Any]
    bytes_per_token: float | None = None
    prompts: list[Messages] = field(default_factory=list)
    opening: list[int] = field(default_factory=list)
    account: str = ""


def get_tokenizer(
    config: LanguageConfig, run: RunFolder, accelerator: Processes
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
    return cast(
        PreTrainedTokenizerBase, AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    )


def text_training_set(
    config: LanguageConfig,
    tokenizer: PreTrainedTokenizerBase,
    run: RunFolder,
    accelerator: Processes,
    length: int,
) -> TrainingSet:
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
    chosen = _spread(range(len(blocks["heldout"])), config.heldout_examples)
    heldout = [blocks["heldout"][i] for i in chosen]
    if is_held_out_by_ends(source):
        units = [i * STRETCHES // len(chosen) for i in range(len(chosen))]
    else:
        units = blocks["heldout"].documents_of(chosen)
    return TrainingSet(
        train=blocks["train"],
        heldout=heldout,
        units=units,
        facts={
            "unigram_entropy": _entropy_of(heldout),
            "train_tokens": len(files["train"].tokens),
            "train_documents": files["train"].documents,
            "heldout_documents": files["heldout"].documents,
        },
        bytes_per_token=files["heldout"].bytes_per_token,
        opening=files["heldout"].tokens[:PROMPT_TOKENS].tolist(),
    )


def demonstration_training_set(
    config: LanguageConfig, tokenizer: PreTrainedTokenizerBase, length: int
) -> TrainingSet:
    """Stage 2's conversations; over-long ones lose their start."""
    chat = Chat(tokenizer)
    data = read_demonstrations(Path(config.snapshot), config.heldout_percent)
    train, shortened = _encode(chat, data.train, length)
    rows = _spread(data.heldout, config.heldout_examples)
    heldout, heldout_shortened = _encode(chat, rows, length)
    return TrainingSet(
        train=train,
        heldout=heldout,
        units=[prompt_key(row.prompt) for row in rows],
        facts={
            "unigram_entropy": _entropy_of(heldout),
            "train_conversations": len(train),
            "heldout_conversations": len(data.heldout),
            **row_counts(data.skipped, shortened + heldout_shortened),
        },
        prompts=[row.prompt for row in _spread(data.heldout or data.train, 10)],
        account=row_sentence(
            "conversations",
            len(train) + len(data.heldout),
            data.skipped,
            shortened + heldout_shortened,
        ),
    )


def _encode(
    chat: Chat, rows: Sequence[DemonstrationRow], length: int
) -> tuple[list[Example], Counter[str]]:
    """The rows' tokens, at most `length` + 1 each, and how many had to be shortened how."""
    examples, shortened = [], Counter[str]()
    for row in rows:
        with naming("Demonstration", row.id):
            whole = EncodedGroup(*chat.group_ids(row.prompt, [row.answer]))
        group = truncate(whole, length + 1)  # the last token is a target only
        if cut := cut_of(whole, group):
            shortened[cut] += 1
        examples.append(conversation(group))
    return examples, shortened


def _spread(items: Sequence[Item], most: int) -> list[Item]:
    """At most `most` of the items, evenly spaced."""
    count = min(most, len(items))
    return [items[i * len(items) // count] for i in range(count)]


def _entropy_of(examples: Sequence[Example]) -> float | None:
    targets = [s.targets[s.targets != IGNORED] for example in examples for s in example]
    return unigram_entropy(torch.cat(targets).bincount().tolist()) if targets else None


def metrics_to_report(metrics: LanguageMetrics, data: TrainingSet) -> dict[str, Any]:
    """As in result.json; bits a byte of text compare models with different tokenizers."""
    bits = None
    if metrics.loss is not None and data.bytes_per_token:
        bits = metrics.loss / math.log(2) / data.bytes_per_token
    return {**asdict(metrics), "bits_per_byte": bits}
