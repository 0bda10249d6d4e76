"""Configurations as small as each architecture of transformers allows."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

LAYERS = 4
WIDTH = 32


def _all(value: int, *names: str) -> dict[str, int]:
    return dict.fromkeys(names, value)


SIZES: dict[str, Any] = {
    **_all(99, "vocab_size"),
    **_all(WIDTH, "hidden_size", "d_model", "n_embd", "word_embed_proj_dim"),
    **_all(48, "intermediate_size", "ffn_dim", "d_ff", "n_inner", "dim_ff", "ffn_hidden_size"),
    **_all(48, "encoder_ffn_dim", "decoder_ffn_dim"),
    **_all(LAYERS, "num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    **_all(2, "encoder_layers", "decoder_layers", "num_key_value_heads"),
    **_all(4, "num_attention_heads", "n_head", "n_heads", "num_heads"),
    **_all(4, "encoder_attention_heads", "decoder_attention_heads"),
    **_all(4, "num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"),
    **_all(2, "num_experts_per_tok", "num_experts_per_token", "moe_topk"),
    **_all(16, "moe_intermediate_size", "shared_expert_intermediate_size"),
    **_all(16, "shared_intermediate_size", "moe_shared_expert_intermediate_size"),
    **_all(512, "max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"),
    **{"head_dim": 8, "n_group": 1, "topk_group": 1, "num_expert_group": 1},
    **{"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "num_labels": 1},
    **{"initializer_range": 0.2, "init_std": 0.2},
}
LATENT: dict[str, Any] = {
    "head_dim": None,
    **{"kv_lora_rank": 16, "q_lora_rank": 16, "num_key_value_heads": 4},
    **{"qk_rope_head_dim": 4, "qk_nope_head_dim": 8, "v_head_dim": 8},
    **{"index_topk": 64, "index_head_dim": 8, "index_n_heads": 2},
}
RECURRENT: dict[str, Any] = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 8}
LINEAR: dict[str, Any] = {
    **{"linear_key_head_dim": 8, "linear_value_head_dim": 8},
    **{"linear_num_key_heads": 2, "linear_num_value_heads": 4},
}
ROPE = {"rope_type": "default", "rope_theta": 10000.0}
MIXED = ["linear_attention", "full_attention"] * (LAYERS // 2)
FULL = ["full_attention"] * LAYERS
OTHER: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("axk1", "axk2", "deepseek_v2", "deepseek_v3", "deepseek_v32"), LATENT),
    **dict.fromkeys(("glm4_moe_lite", "glm_moe_dsa", "minicpm3", "youtu"), LATENT),
    "bamba": {**RECURRENT, "attn_layer_indices": [1, 3]},
    "granitemoehybrid": {**RECURRENT, "layer_types": MIXED},
    "falcon_h1": {**RECURRENT, "mamba_d_ssm": 64},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "mamba_dt_rank": 4},
    "mamba2": {"num_heads": 8, "head_dim": 8, "n_groups": 1, "state_size": 8},
    "qwen3_next": {**LINEAR, "layer_types": MIXED},
    "qwen3_5_text": {**LINEAR, "layer_types": MIXED},
    "qwen3_5_moe_text": {**LINEAR, "layer_types": MIXED},
    "olmo_hybrid": {**LINEAR, "layer_types": MIXED},
    "bailing_hybrid": {
        **LATENT,
        **{"layer_types": MIXED, "linear_head_dim": 8, "linear_num_heads": 4},
    },
    "kimi_linear": {**LATENT, "layer_types": MIXED, "linear_head_dim": 8, "linear_num_heads": 4},
    "lfm2": {"layer_types": ["conv", "full_attention"] * 2, "block_auto_adjust_ff_dim": False},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"] * 2, "num_dense_layers": 2},
    "zamba": {"layers_block_type": MIXED, "attention_hidden_size": 64, "attention_head_dim": 16},
    "zamba2": {"layers_block_type": ["linear_attention", "hybrid"] * 2, "mamba_headdim": 8},
    "zaya": {"num_experts_per_tok": 1},
    "codegen": {"rotary_dim": 8},
    "gptj": {"rotary_dim": 8},
    "gpt_neo": {"attention_types": [[["global", "local"], 2]]},
    "falcon": {"head_dim": None},
    "dots1": {"n_shared_experts": 1, "n_routed_experts": 4, "num_experts_per_tok": 2},
    "hunyuan_v1_dense": {"head_dim": 8},
    "hunyuan_v1_moe": {"head_dim": 8},
    "ministral": {"head_dim": 8},
    "nemotron": {"num_key_value_heads": 2},
    "cohere_compass_text": {
        **{"layer_types": FULL, "rope_parameters": {"full_attention": ROPE}},
    },
    "dbrx": {
        "attn_config": {"kv_n_heads": 2, "rope_theta": 10000.0, "clip_qkv": 8.0},
        "ffn_config": {"ffn_hidden_size": 48, "moe_num_experts": 4, "moe_top_k": 2},
    },
    "gemma3n_text": {
        **{"layer_types": FULL, "num_kv_shared_layers": 0, "laurel_rank": 8},
        **{"vocab_size_per_layer_input": 99, "hidden_size_per_layer_input": 8},
        **{"activation_sparsity_pattern": [0.0] * LAYERS, "intermediate_size": [48] * LAYERS},
    },
    "gemma4_text": {
        **{"layer_types": FULL, "vocab_size_per_layer_input": 99, "per_layer_config": {}},
        **{"hidden_size_per_layer_input": 8, "head_dim": 8},
    },
    "llama4_text": {"attention_chunk_size": 32, "num_local_experts": 2},
    "recurrent_gemma": {"lru_width": WIDTH, "attention_window_size": 64},
}
WITHOUT_A_TINY_FORM = {
    *("aria_text", "blt", "dots3_note", "emu3", "fuyu", "gemma3", "gemma3n", "gemma4", "llama4"),
    *("gemma4_assistant", "gemma4_unified", "gemma4_unified_assistant", "mllama", "moshi"),
    *("musicgen", "musicgen_melody", "phi4_multimodal", "qwen3_5", "qwen3_5_moe", "qwen4_exp"),
    *("got_ocr2", "git", "moss_transcribe_diarize", "trocr", "whisper", "inkling_text"),
    *("longcat_flash", "dots3_note_text", "qwen4_exp_text"),
    *("prophetnet", "reformer", "xlnet", "xmod"),
}
"""Most with pictures or sound, whose text's own architecture is in the table where there is one."""


def tiny_config(name: str) -> PreTrainedConfig:
    """Of the architecture with that model type."""
    kind = CONFIG_MAPPING[name]
    default = kind()
    named = {*dir(default), *getattr(kind, "attribute_map", {})}
    optional = ("num_key_value_heads", "head_dim", "n_inner")
    given = {
        field: value
        for field, value in SIZES.items()
        if field in named and not (field in optional and _is_none(default, field))
    }
    given |= OTHER.get(name, {})
    return kind(**{n: v for n, v in given.items() if v is not None})


def _is_none(config: PreTrainedConfig, field: str) -> bool:
    """None too where layers differ in it, which transformers will not answer."""
    try:
        return getattr(config, field) is None
    except (AttributeError, RuntimeError):
        return True
