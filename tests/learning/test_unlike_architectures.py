"""Models whose attention, cache or padding is unlike others': right, slower, or refused."""

from typing import Any, cast

import pytest
import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    BartConfig,
    BertConfig,
    GptOssConfig,
    GraniteSWAConfig,
    Lfm2Config,
    MambaConfig,
    PreTrainedConfig,
    PreTrainedModel,
)

from annotation.lm.chat import Chat
from annotation.lm.decoding import WAYS, Decoder, PlainDecoder, Way, way_to_decode
from annotation.lm.loading import PolicyUnavailable
from annotation.lm.sampler import SamplingParameters, sample_groups
from rewardmodel.learning.core.group_packing import AnswerLogProbs, EncodedGroup, unpack
from rewardmodel.learning.core.packing_check import choose_layout
from tests.learning.conftest import user
from tests.tiny import build_tiny_tokenizer

TOKENIZER = build_tiny_tokenizer()
SHARED: dict[str, Any] = {
    "vocab_size": len(TOKENIZER),
    "initializer_range": 0.2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
SIZES: dict[str, Any] = {
    **SHARED,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
GROUPED: dict[str, Any] = {**SIZES, "num_key_value_heads": 2}
HEADS: dict[str, Any] = {**GROUPED, "head_dim": 8}
GROUPS = [
    EncodedGroup(list(range(40, 63)), [[5, 6, 7], [8, 9], list(range(90, 106))]),
    EncodedGroup([11, 12, 13, 14], [[15], [16, 17, 18, 19]]),
]
PROMPTS = [[1, 2, 3, 4, 5], [6, 7], [8, 9, 10, 11, 12, 13, 14, 15, 16]]
OWNER = torch.tensor([0, 0, 0, 1, 2, 2])


SINKS: list[PreTrainedConfig] = [
    GptOssConfig(**HEADS, num_local_experts=4, num_experts_per_tok=2),
    GraniteSWAConfig(**HEADS),
]


def own(config: PreTrainedConfig) -> PreTrainedModel:
    """With the attention that it is made with."""
    torch.manual_seed(0)
    model = cast(PreTrainedModel, AutoModelForCausalLM.from_config(config))  # type: ignore[no-untyped-call]
    for name, parameter in model.named_parameters():
        if "sinks" in name:
            nn.init.constant_(parameter, 2.0)
    return cast(PreTrainedModel, model.train(False))


@torch.no_grad()
def plain_log_probs(model: PreTrainedModel) -> torch.Tensor:
    """Of each answer token, from a forward pass of its prompt and answer alone."""
    found = []
    for group in GROUPS:
        for answer in group.answers:
            logits = model(torch.tensor([group.prompt + answer]), use_cache=False).logits[0]
            log_probs = logits.log_softmax(-1)[len(group.prompt) - 1 : -1]
            found.append(log_probs.gather(1, torch.tensor(answer)[:, None])[:, 0])
    return torch.cat(found)


@pytest.mark.parametrize("config", SINKS, ids=lambda config: config.model_type)
def test_a_model_with_attention_sinks_is_read_and_sampled_with_its_own_attention(
    config: PreTrainedConfig, caplog: pytest.LogCaptureFixture
) -> None:
    model = own(config)
    attention = model.config._attn_implementation
    module = AnswerLogProbs(model)
    layout = choose_layout(module, model, longest=64)
    assert layout is unpack
    assert "its attention takes s_aux" in caplog.text
    with torch.no_grad():
        assert torch.allclose(module(layout(GROUPS, 0)), plain_log_probs(model), atol=1e-4)
    way = way_to_decode(model, longest=64)
    assert not way.shares
    assert_decoded_as_plainly(model, way)
    assert model.config._attn_implementation == attention


def assert_decoded_as_plainly(model: PreTrainedModel, way: Way) -> None:
    prompts = PROMPTS if way.mixes_lengths else [PROMPTS[0]] * 3
    with torch.no_grad():
        for ours, expected in zip(
            *(decoded(kind(model, prompts, OWNER, 0)) for kind in (way.decoder, PlainDecoder)),
            strict=True,
        ):
            assert torch.allclose(ours, expected, atol=1e-3 * expected.abs().max())


def decoded(decoder: Decoder) -> list[torch.Tensor]:
    """Logits of a decoding in which rows end, of one prompt all of them."""
    found = [decoder.logits, decoder.read(torch.tensor([5, 6, 7, 8, 9, 10]))]
    decoder.keep(torch.tensor([0, 2, 4, 5]))
    found.append(decoder.read(torch.tensor([1, 2, 3, 4])))
    decoder.keep(torch.tensor([1, 3]))
    return [*found, *(decoder.read(torch.tensor([token, 1])) for token in range(8))]


BART = BartConfig(
    **SHARED,
    d_model=32,
    decoder_layers=2,
    decoder_attention_heads=4,
    decoder_ffn_dim=64,
    init_std=0.2,
)
RECURRENT: dict[str, PreTrainedConfig] = {
    "copying prompts for each answer": Lfm2Config(
        **GROUPED, layer_types=["conv", "full_attention"], block_auto_adjust_ff_dim=False
    ),
    "reading all again for each token": MambaConfig(
        **SHARED, hidden_size=16, num_hidden_layers=2, state_size=4
    ),
}
"""How each is decoded."""


@pytest.mark.parametrize("name", RECURRENT)
def test_hybrids_and_recurrent_models_are_sampled_as_their_plain_forward_pass_says(
    name: str,
) -> None:
    model = own(RECURRENT[name])
    way = way_to_decode(model, longest=64)
    assert way == WAYS[name]
    assert_decoded_as_plainly(model, way)


def test_a_model_that_reads_padding_on_the_left_gets_prompts_of_one_length() -> None:
    """As decoders of BART's kind do, whose positions are counted from the row's first token."""
    model = own(BART)
    way = way_to_decode(model, longest=64)
    assert way == WAYS["copying prompts of one length at a time"]
    assert_decoded_as_plainly(model, way)


def test_a_model_that_reads_ahead_is_refused() -> None:
    sizes: dict[str, Any] = {**SIZES, "is_decoder": False}
    model = own(BertConfig(**sizes))
    with pytest.raises(PolicyUnavailable, match="BertLMHeadModel reads ahead"):
        way_to_decode(model, longest=64)
    with pytest.raises(PolicyUnavailable, match="BertLMHeadModel reads ahead"):
        choose_layout(AnswerLogProbs(model), model, longest=64)


@pytest.mark.parametrize(
    "config", [*RECURRENT.values(), BART], ids=lambda config: config.model_type
)
def test_their_likeliest_answers_are_those_of_their_plain_forward_pass(
    config: PreTrainedConfig,
) -> None:
    model, chat = own(config), Chat(TOKENIZER)
    prompts = [user("Hi"), user("A longer question, is it not?"), user("Yo")]
    parameters = SamplingParameters(max_new_tokens=6, temperature=0)
    groups = sample_groups(model, TOKENIZER, prompts, 2, parameters, seed=1)
    for prompt, group in zip(prompts, groups, strict=True):
        ids = chat.prompt_ids(prompt)
        expected: list[int] = []
        while len(expected) < 6 and chat.end_of_turn not in expected:
            with torch.no_grad():
                logits = model(torch.tensor([ids + expected]), use_cache=False).logits
            expected.append(int(logits[0, -1].argmax()))
        assert [list(completion.token_ids) for completion in group] == [expected, expected]
