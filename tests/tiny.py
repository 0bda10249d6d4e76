"""A tiny chat model, built in a moment: random weights, one token a byte, a chat template."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from annotation.lm.chat import Chat
from annotation.lm.loading import (
    PolicySource,
    load_causal_lm,
    load_plain_policy,
    load_tokenizer,
)
from rewardmodel.learning.core.adapters import save_adapter, with_fresh_adapter
from rewardmodel.learning.reward.probe import Head, LinearProbe, Recipe

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def build_tiny_model(folder: Path, seed: int = 0) -> Path:
    """Saves a Llama of two layers and a byte tokenizer in `folder`; returns it."""
    tokenizer = build_tiny_tokenizer()
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        initializer_range=0.2,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def build_tiny_tokenizer() -> PreTrainedTokenizerFast:
    """259 tokens: three special ones and the bytes."""
    symbols = [*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    raw = Tokenizer(models.BPE(vocab={s: i for i, s in enumerate(symbols)}, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.add_special_tokens(SPECIAL)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=raw,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=TEMPLATE,
    )


def build_tiny_adapter(base: Path, folder: Path, seed: int = 0) -> Path:
    """Saves an adapter in `folder` with which the model in `base` answers otherwise; returns it."""
    model, _ = load_plain_policy(PolicySource(str(base)))
    torch.manual_seed(seed)
    adapted = with_fresh_adapter(model, 4)
    for name, weights in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.2)
    save_adapter(adapted, folder)
    return folder


def build_tiny_reward_model(base: Path, folder: Path) -> Path:
    """Saves a head on the model in `base`, which judges at random, in `folder`; returns it."""
    network = load_causal_lm(str(base), torch.float32)
    width = network.config.hidden_size
    weights = torch.randn(width, generator=torch.Generator().manual_seed(0))
    head = Head(Recipe((1,), ("mean",), length=False), weights, torch.eye(width))
    folder.mkdir(parents=True, exist_ok=True)
    LinearProbe(network, 512, head).save(folder, Chat(load_tokenizer(str(base))), 0.0, 1.0)
    return folder
