"""Translates published configurations and tensor names to those of transformers.

LLaDA is Llama with full attention under other names (docs/published-llms.md); its repository asks for remote code,
which is never run. Other families keep their names.
"""

from __future__ import annotations

import re
from typing import Any

from mindrec_bench.errors import DataError

LLADA = "llada"
"""The `model_type` of LLaDA's own configuration."""

_LLAMA_SETTINGS: dict[str, Any] = {
    "activation_type": "silu",
    "alibi": False,
    "attention_layer_norm": False,
    "block_type": "llama",
    "clip_qkv": None,
    "include_bias": False,
    "include_qkv_bias": False,
    "input_emb_norm": False,
    "layer_norm_type": "rms",
    "multi_query_attention": None,
    "rope": True,
    "scale_logits": False,
}
"""The values that these keys of LLaDA's configuration must have, where present, for its network to be Llama's."""

_TOP_LEVEL_NAMES = {
    "model.embed_tokens.weight": "model.transformer.wte.weight",
    "model.norm.weight": "model.transformer.ln_f.weight",
    "lm_head.weight": "model.transformer.ff_out.weight",
}
_BLOCK_NAMES = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ff_norm",
    "self_attn.q_proj": "q_proj",
    "self_attn.k_proj": "k_proj",
    "self_attn.v_proj": "v_proj",
    "self_attn.o_proj": "attn_out",
    "mlp.gate_proj": "ff_proj",
    "mlp.up_proj": "up_proj",
    "mlp.down_proj": "ff_out",
}


def translate_config(config: dict[str, Any], name: str, families: tuple[str, ...]) -> dict[str, Any]:
    """The configuration that transformers knows, including `model_type`.

    Args:
        config: a checkpoint's `config.json`.
        name: of the checkpoint, for messages.
        families: the model types that the backbone accepts.

    Raises:
        DataError: it is of another family, or a LLaDA whose network is not Llama's.
    """
    family = config.get("model_type")
    if family not in families:
        raise DataError(
            f"the checkpoint '{name}' has model_type '{family}', but this model reads {' and '.join(families)}; "
            "give one of that family with --checkpoint"
        )
    if family != LLADA:
        return {key: value for key, value in config.items() if key not in ("auto_map", "quantization_config")}
    present = {key: config[key] for key in _LLAMA_SETTINGS if config.get(key) is not None}
    different = [
        key for key, value in present.items() if value != _LLAMA_SETTINGS[key] and (value or _LLAMA_SETTINGS[key])
    ]
    missing = [key for key in ("d_model", "n_heads", "n_layers", "vocab_size") if key not in config]
    if different or missing:
        problem = f"lacks {', '.join(missing)}"
        if not missing:
            problem = f"sets {', '.join(f'{key}={config[key]}' for key in different)}"
        raise DataError(
            f"config.json of the checkpoint '{name}' {problem}, so its network is not Llama's; use another checkpoint"
        )
    heads = config["n_heads"]
    return {
        "model_type": "llama",
        "hidden_size": config["d_model"],
        "num_attention_heads": heads,
        "num_key_value_heads": config.get("n_kv_heads") or heads,
        "num_hidden_layers": config["n_layers"],
        "intermediate_size": config.get("mlp_hidden_size") or config.get("mlp_ratio", 4) * config["d_model"],
        "rope_theta": config.get("rope_theta", 10_000.0),
        "rms_norm_eps": config.get("rms_norm_eps", 1e-5),
        "vocab_size": config.get("embedding_size") or config["vocab_size"],
        "max_position_embeddings": config.get("max_sequence_length", 4096),
        "tie_word_embeddings": bool(config.get("weight_tying", False)),
        "bos_token_id": None,
        "eos_token_id": config.get("eos_token_id"),
    }


def published_name(tensor: str, family: str) -> str:
    """The name that a tensor of transformers' network has in a checkpoint of a family."""
    if family != LLADA:
        return tensor
    if tensor in _TOP_LEVEL_NAMES:
        return _TOP_LEVEL_NAMES[tensor]
    match = re.fullmatch(r"model\.layers\.(\d+)\.(.+)\.(weight|bias)", tensor)
    if match is None or match[2] not in _BLOCK_NAMES:
        return tensor
    return f"model.transformer.blocks.{match[1]}.{_BLOCK_NAMES[match[2]]}.{match[3]}"
