"""Every causal architecture of transformers, tiny and random: read and sampled right, or refused?

    python -m bench.architectures [NAME ...] > table.md

Each is built with a few small layers and random weights. What the engine makes of it is compared
with the model's own forward pass of one row at a time, without cache, packing or padding.
"""

from __future__ import annotations

from typing import Any

SECONDS = 120
LONGEST = 64
TOLERANCE = 2e-3
VOCABULARY = 99
LAYERS = 4
SIZES: dict[str, Any] = {
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "word_embed_proj_dim"), 32),
    **dict.fromkeys(("intermediate_size", "ffn_dim", "d_ff", "n_inner", "dim_ff"), 48),
    **dict.fromkeys(("ffn_hidden_size", "encoder_ffn_dim", "decoder_ffn_dim"), 48),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers"), LAYERS),
    **dict.fromkeys(("encoder_layers", "decoder_layers", "num_key_value_heads"), 2),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), 4),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 4),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 4),
    **dict.fromkeys(("moe_num_experts",), 4),
    **dict.fromkeys(("num_experts_per_tok", "num_experts_per_token", "moe_topk"), 2),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size"), 16),
    **dict.fromkeys(("shared_intermediate_size", "moe_shared_expert_intermediate_size"), 16),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"), 512),
    **{"vocab_size": VOCABULARY, "head_dim": 8, "n_group": 1, "topk_group": 1},
    **{"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "num_labels": 1},
    **{"initializer_range": 0.2, "init_std": 0.2},
}
