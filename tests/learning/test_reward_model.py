"""A reward model as it is made, before it has learned anything."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    GraniteConfig,
    GraniteForCausalLM,
    JambaConfig,
    JambaForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
)

from annotation.lm.chat import Chat
from annotation.lm.loading import PolicyUnavailable
from rewardmodel.learning.core.group_packing import EncodedGroup, pack, unpack
from rewardmodel.learning.reward.model import (
    GROUP_TOKENS,
    new_reward_model,
    save_reward_model,
    score_groups,
)
from rewardmodel.learning.reward.scorer import RewardScorer
from tests.tiny import build_tiny_tokenizer

TOKENIZER = build_tiny_tokenizer()
SIZES: dict[str, Any] = {
    "vocab_size": len(TOKENIZER),
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.2,
    "pad_token_id": 0,
}


@pytest.fixture
def chat() -> Chat:
    return Chat(TOKENIZER)


def saved(model: PreTrainedModel, folder: Path) -> str:
    model.save_pretrained(folder)
    return str(folder)


def change(model: Path, **values: object) -> None:
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, **values}))


def hybrid() -> PreTrainedModel:
    """A recurrent layer, which reads on from one answer into the next, below an attention."""
    torch.manual_seed(0)
    layers: dict[str, Any] = {"attn_layer_period": 2, "attn_layer_offset": 1, "num_experts": 2}
    config = JambaConfig(**SIZES, **layers, mamba_d_state=4, mamba_dt_rank=4)
    return JambaForCausalLM(config)


@pytest.mark.parametrize("rank", [None, 4])
def test_a_fresh_head_does_not_hide_that_a_base_reads_packed_rows_wrongly(
    rank: int | None, chat: Chat, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = new_reward_model(saved(hybrid(), tmp_path), chat, rank).eval()
    with caplog.at_level(logging.WARNING):
        assert model.choose_layout(512) is unpack
    assert caplog.text.count("One row an answer: packed rows differ") == 1


@pytest.mark.parametrize("rank", [None, 4])
def test_a_fresh_reward_model_on_a_transformer_reads_packed_groups(
    rank: int | None, chat: Chat, tmp_path: Path
) -> None:
    llama = LlamaForCausalLM(LlamaConfig(**SIZES))
    model = new_reward_model(saved(llama, tmp_path), chat, rank).eval()
    assert model.choose_layout(512) is pack


def test_a_fresh_head_scores_0(chat: Chat, tiny: Path) -> None:
    model = new_reward_model(str(tiny), chat, None).eval()
    groups = [EncodedGroup([5, 6], [[7, 2], [8, 9, 2]])]
    assert torch.equal(score_groups(model, pack, groups, chat.pad, 512)[0], torch.zeros(2))


def test_scoring_reads_as_many_tokens_as_training_did(chat: Chat, tmp_path: Path) -> None:
    llama = LlamaForCausalLM(LlamaConfig(**SIZES))
    model = new_reward_model(saved(llama, tmp_path / "base"), chat, None, group_tokens=100)
    save_reward_model(model, chat, tmp_path / "reward", 0.0, 1.0)
    assert RewardScorer(str(tmp_path / "reward"), torch.device("cpu")).group_tokens == 100


def test_no_more_tokens_are_read_than_the_model_can(
    chat: Chat, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    llama = LlamaForCausalLM(LlamaConfig(**SIZES, max_position_embeddings=64))
    assert new_reward_model(saved(llama, tmp_path), chat, None, 100).group_tokens == 64
    assert "group_tokens is 100; the model reads 64, which is used." in caplog.text


def test_a_model_that_names_no_limit_reads_as_many_tokens_as_are_asked_for(
    chat: Chat, tmp_path: Path
) -> None:
    config = BloomConfig(vocab_size=len(TOKENIZER), hidden_size=32, n_layer=2, n_head=4)
    base = saved(BloomForCausalLM(config), tmp_path)
    change(tmp_path, max_position_embeddings=None)
    assert new_reward_model(base, chat, None).group_tokens == GROUP_TOKENS


@pytest.mark.parametrize("damage", [{"hidden_size": 64}, {"hidden_act": "nonsense"}])
def test_a_base_whose_configuration_is_damaged_is_refused_in_a_sentence(
    damage: dict[str, Any], chat: Chat, tiny: Path, tmp_path: Path
) -> None:
    base = shutil.copytree(tiny, tmp_path / "base")
    change(base, **damage)
    with pytest.raises(PolicyUnavailable, match=f"^{base} cannot become a reward model: "):
        new_reward_model(str(base), chat, None)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ({"hidden_size": 64}, "^There is no reward model at {}: "),
        ({"reward_mean": None}, "^The model at {} is no reward model of stage 3: "),
    ],
)
def test_a_reward_model_whose_configuration_is_damaged_is_refused_in_a_sentence(
    damage: dict[str, Any], sentence: str, chat: Chat, tiny: Path, tmp_path: Path
) -> None:
    save_reward_model(new_reward_model(str(tiny), chat, None), chat, tmp_path, 0.0, 1.0)
    change(tmp_path, **damage)
    with pytest.raises(PolicyUnavailable, match=sentence.format(tmp_path)):
        RewardScorer(str(tmp_path), torch.device("cpu"))


def test_a_language_model_is_no_reward_model(tiny: Path) -> None:
    with pytest.raises(PolicyUnavailable, match=f"^The model at {tiny} is no reward model of"):
        RewardScorer(str(tiny), torch.device("cpu"))


def test_a_base_whose_weights_are_cut_short_is_refused_in_a_sentence(
    chat: Chat, tiny: Path, tmp_path: Path
) -> None:
    base = shutil.copytree(tiny, tmp_path / "base")
    weights = (base / "model.safetensors").read_bytes()
    (base / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(PolicyUnavailable, match=f"^{base} cannot become a reward model: "):
        new_reward_model(str(base), chat, None)


def test_a_base_that_cannot_score_is_refused_in_a_sentence(chat: Chat, tmp_path: Path) -> None:
    config = GraniteConfig(**SIZES)
    with pytest.raises(PolicyUnavailable, match="no classifier of the kind 'granite'"):
        new_reward_model(saved(GraniteForCausalLM(config), tmp_path), chat, None)
