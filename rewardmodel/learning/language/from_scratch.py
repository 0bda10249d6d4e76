"""A model from nothing: its size, its tokenizer, its chat template, its first random weights."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from annotation.exchange.wording import gettext_noop
from annotation.lm.loading import loading, require_causal_lm
from rewardmodel.learning.configs import ConfigError
from rewardmodel.learning.language.tokens import DOCUMENT_SEPARATOR

TURN_START, TURN_END = "<|im_start|>", "<|im_end|>"
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}"
)
CONTEXT = 1024
NOT_ALIKE = gettext_noop("No model could be made like {name}: {problem}")


@dataclass(frozen=True)
class Preset:
    """A Llama's size; the feed-forward layer is 8/3 of the width (arXiv 2002.05202)."""

    width: int
    layers: int
    heads: int

    @property
    def feed_forward(self) -> int:
        return -(-8 * self.width // 3 // 32) * 32


PRESETS = {
    "nano": Preset(width=64, layers=2, heads=2),  # 0.1 million weights beside the embedding
    "micro": Preset(width=128, layers=4, heads=4),  # 0.8 million
    "mini": Preset(width=256, layers=6, heads=4),  # 4.7 million
    "small": Preset(width=512, layers=8, heads=8),  # 25 million
    "base": Preset(width=768, layers=12, heads=12),  # 85 million, the size of GPT-2
}


def preset_of(name: str) -> Preset:
    """Raises ConfigError for an unknown name."""
    if name not in PRESETS:
        raise ConfigError(f"There is no preset {name!r}; give one of {', '.join(PRESETS)}.")
    return PRESETS[name]


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer (Radford et al. 2019, section 2.2) with a ChatML template.

    It has at most `vocabulary` tokens, three of them special: padding and document separator,
    start of turn, end of turn.
    """
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[DOCUMENT_SEPARATOR, TURN_START, TURN_END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=raw,
        bos_token=TURN_START,
        eos_token=TURN_END,
        pad_token=DOCUMENT_SEPARATOR,
        chat_template=CHAT_TEMPLATE,
        model_max_length=CONTEXT,
    )


def new_model(preset: Preset, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """A Llama with random weights from torch's generator, in float32."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=preset.width,
            intermediate_size=preset.feed_forward,
            num_hidden_layers=preset.layers,
            num_attention_heads=preset.heads,
            num_key_value_heads=preset.heads,
            max_position_embeddings=CONTEXT,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            tie_word_embeddings=True,
        )
    )


def fresh_like(name: str, seed: int) -> PreTrainedModel:
    """A model of the same shape as `name`, with the random weights that its kind begins with, in
    float32. Raises PolicyUnavailable."""
    require_causal_lm(name)
    with loading(name, NOT_ALIKE):
        config = AutoConfig.from_pretrained(name, trust_remote_code=False)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            made = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
                config, dtype=torch.float32, trust_remote_code=False
            )
    return cast(PreTrainedModel, made)
