"""Packed groups in the architectures that people use, each built tiny with random weights."""

import logging
import random
from typing import Any, cast

import pytest
import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    Gemma3TextConfig,
    GemmaConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MambaConfig,
    MistralConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
)

from annotation.lm.context import window_of
from annotation.lm.decoding import Decoder, RepeatedDecoder, SharedDecoder, can_share_prompts
from annotation.lm.shared_prompt_attention import IMPLEMENTATION
from rewardmodel.learning.core.group_packing import AnswerLogProbs, EncodedGroup, pack, unpack
from rewardmodel.learning.core.packing_check import choose_layout
from rewardmodel.learning.reward.model import RewardModel

VOCABULARY = 99
SHARED: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "initializer_range": 0.2,
    "pad_token_id": 0,
    "num_labels": 1,
}
COMMON: dict[str, Any] = {
    **SHARED,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
GROUPED: dict[str, Any] = {**COMMON, "num_key_value_heads": 2}
HEADS: dict[str, Any] = {**GROUPED, "head_dim": 8}
TRANSFORMERS: list[PreTrainedConfig] = [
    LlamaConfig(**GROUPED),
    Qwen2Config(**GROUPED),
    Qwen3Config(**HEADS),
    GPT2Config(n_embd=32, n_layer=2, n_head=4, **SHARED),
    GPTNeoXConfig(**COMMON),
    GemmaConfig(**HEADS),
    MistralConfig(**{**GROUPED, "sliding_window": None}),
]


def name_of(config: PreTrainedConfig) -> str:
    return str(config.model_type)


def causal(config: PreTrainedConfig) -> PreTrainedModel:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    model.set_attn_implementation(IMPLEMENTATION)
    return cast(PreTrainedModel, model.train(False))


def reward(config: PreTrainedConfig) -> RewardModel:
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config)  # type: ignore[no-untyped-call]
    model.set_attn_implementation(IMPLEMENTATION)
    return RewardModel(model.train(False))


def modules(config: PreTrainedConfig) -> list[tuple[nn.Module, PreTrainedModel]]:
    """The two modules that read groups, each with the network inside."""
    policy, teacher = causal(config), reward(config)
    return [(AnswerLogProbs(policy), policy), (teacher, teacher.network)]


@pytest.fixture(scope="module")
def groups() -> list[EncodedGroup]:
    generator = random.Random(1)

    def tokens(count: int) -> list[int]:
        return [generator.randrange(VOCABULARY) for _ in range(count)]

    return [
        EncodedGroup(tokens(23), [tokens(9), tokens(2), tokens(16)]),
        EncodedGroup(tokens(4), [tokens(generator.randint(1, 9)) for _ in range(9)]),
    ]


@pytest.mark.parametrize("config", TRANSFORMERS, ids=name_of)
def test_packed_groups_give_what_separate_rows_give(
    config: PreTrainedConfig, groups: list[EncodedGroup]
) -> None:
    for module, _ in modules(config):
        with torch.no_grad():
            packed, plain = (module(layout(groups, 0)) for layout in (pack, unpack))
        assert packed.std() > 1e-3
        assert torch.allclose(packed, plain, atol=1e-4)


@pytest.mark.parametrize("config", TRANSFORMERS, ids=name_of)
def test_the_self_check_chooses_packed_groups(
    config: PreTrainedConfig, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert [choose_layout(*both, longest=512) for both in modules(config)] == [pack, pack]
    assert "One row an answer" not in caplog.text


@pytest.mark.parametrize("config", TRANSFORMERS, ids=name_of)
def test_packed_rewards_are_the_classifiers_own(
    config: PreTrainedConfig, groups: list[EncodedGroup]
) -> None:
    """Row by row through the model's own forward pass, which reads the last token."""
    teacher = reward(config)
    ended = [EncodedGroup(g.prompt, [[*answer, 98] for answer in g.answers]) for g in groups]
    with torch.no_grad():
        packed = teacher(pack(ended, 0))
        own = [
            teacher.network(torch.tensor([group.prompt + answer])).logits[0, 0]
            for group in ended
            for answer in group.answers
        ]
    assert torch.allclose(packed, torch.stack(own), atol=1e-4)


STATE_SPACE = MambaConfig(
    vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, state_size=4, pad_token_id=0
)
WINDOWED: list[PreTrainedConfig] = [
    MistralConfig(**{**GROUPED, "sliding_window": 16}),
    Qwen2Config(**GROUPED, use_sliding_window=True, sliding_window=16, max_window_layers=0),
    Gemma3TextConfig(**{**HEADS, "sliding_window": 16, "num_hidden_layers": 6}),
]


@pytest.mark.parametrize("config", WINDOWED, ids=name_of)
def test_a_sliding_window_shorter_than_the_row_falls_back_with_one_line(
    config: PreTrainedConfig, caplog: pytest.LogCaptureFixture
) -> None:
    model = causal(config)
    with caplog.at_level(logging.WARNING):
        assert choose_layout(AnswerLogProbs(model), model, longest=64) is unpack
    assert caplog.text.count("One row an answer") == 1
    assert "sliding window" in caplog.text


def test_rows_within_a_sliding_window_are_packed() -> None:
    model = causal(MistralConfig(**{**GROUPED, "sliding_window": 64}))
    assert choose_layout(AnswerLogProbs(model), model, longest=64) is pack


def test_a_state_space_model_falls_back_with_one_line(
    groups: list[EncodedGroup], caplog: pytest.LogCaptureFixture
) -> None:
    model = causal(STATE_SPACE)
    module = AnswerLogProbs(model)
    with caplog.at_level(logging.WARNING):
        layout = choose_layout(module, model, longest=512)
    assert layout is unpack
    assert caplog.text.count("One row an answer") == 1
    with torch.no_grad():
        found = module(layout(groups, 0))
        own = []
        for group in groups:
            for answer in group.answers:
                logits = model(torch.tensor([group.prompt + answer])).logits[0]
                log_probs = logits.log_softmax(-1)[len(group.prompt) - 1 : -1]
                own.append(log_probs.gather(1, torch.tensor(answer)[:, None])[:, 0])
    assert torch.allclose(found, torch.cat(own), atol=1e-4)


PROMPTS = [[1, 2, 3, 4, 5], [6, 7], [8, 9, 10, 11, 12, 13, 14, 15, 16]]
OWNER = torch.tensor([0, 0, 0, 1, 2, 2])


def decoded(decoder: Decoder) -> list[torch.Tensor]:
    """Logits of a decoding in which rows end, of one prompt all of them."""
    found = [decoder.logits, decoder.read(torch.tensor([5, 6, 7, 8, 9, 10]))]
    decoder.keep(torch.tensor([0, 2, 4, 5]))
    found.append(decoder.read(torch.tensor([1, 2, 3, 4])))
    decoder.keep(torch.tensor([1, 3]))
    return [*found, *(decoder.read(torch.tensor([token, 1])) for token in range(80))]


@pytest.mark.parametrize("config", TRANSFORMERS, ids=name_of)
def test_answers_that_share_their_prompts_cache_decode_as_with_copies(
    config: PreTrainedConfig,
) -> None:
    model = causal(config)
    assert can_share_prompts(model, longest=512)
    with torch.no_grad():
        shared, copied = (
            decoded(kind(model, PROMPTS, OWNER, 0)) for kind in (SharedDecoder, RepeatedDecoder)
        )
    for ours, expected in zip(shared, copied, strict=True):
        assert ours.shape == expected.shape
        assert torch.allclose(ours, expected, atol=1e-3)


@pytest.mark.parametrize("config", [*WINDOWED, STATE_SPACE], ids=name_of)
def test_models_that_cannot_share_a_prompt_are_found_out(config: PreTrainedConfig) -> None:
    assert not can_share_prompts(causal(config), longest=64)


def test_the_window_that_counts_is_the_narrowest_of_any_layer() -> None:
    layers = {0: {"sliding_window": 24}, 1: {"sliding_window": 16}}
    sizes: dict[str, Any] = {**GROUPED, "sliding_window": None, "per_layer_config": layers}
    config = MistralConfig(**sizes)
    assert window_of(causal(config)) == 16
