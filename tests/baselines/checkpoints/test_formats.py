"""The translation of LLaDA's configuration and tensor names."""

from __future__ import annotations

import pytest

from mindrec_baselines.checkpoints.formats import published_name, translate_config
from mindrec_bench.errors import DataError

from ..made_checkpoints import config

PUBLISHED_CONFIG = {
    "model_type": "llada",
    "d_model": 4096,
    "n_heads": 32,
    "n_kv_heads": 32,
    "n_layers": 32,
    "mlp_hidden_size": 12288,
    "rope_theta": 500000.0,
    "rms_norm_eps": 1e-05,
    "vocab_size": 126464,
    "embedding_size": 126464,
    "max_sequence_length": 4096,
}
"""The configuration of LLaDA-8B-Instruct."""


def test_the_published_llada():
    translated = translate_config(PUBLISHED_CONFIG, "x", ("llada",))
    expected = {
        "model_type": "llama",
        "hidden_size": 4096,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "num_hidden_layers": 32,
        "intermediate_size": 12288,
        "rope_theta": 500000.0,
        "rms_norm_eps": 1e-05,
        "vocab_size": 126464,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": False,
    }
    assert {key: translated[key] for key in expected} == expected


def test_keys_that_llada_may_leave_out():
    short = {key: PUBLISHED_CONFIG[key] for key in ("model_type", "d_model", "n_heads", "n_layers", "vocab_size")}
    translated = translate_config({**short, "embedding_size": None, "mlp_ratio": 3}, "x", ("llada",))
    assert (translated["num_key_value_heads"], translated["intermediate_size"], translated["vocab_size"]) == (
        32,
        12288,
        126464,
    )


def test_other_families_keep_their_keys():
    original = config("qwen2", 300) | {"auto_map": {"AutoModel": "code.Model"}}
    assert translate_config(original, "x", ("qwen2",)) == config("qwen2", 300)


def test_another_family_is_refused():
    with pytest.raises(DataError, match="'x' has model_type 'qwen2', but this model reads llada and llama"):
        translate_config(config("qwen2", 9), "x", ("llada", "llama"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alibi": True}, "sets alibi=True, so"),
        ({"rope": False}, "sets rope=False"),
        ({"block_type": "sequential"}, "sets block_type=sequential"),
        ({"include_bias": True, "clip_qkv": 8.0}, "sets clip_qkv=8.0, include_bias=True"),
    ],
    ids=str,
)
def test_a_llada_that_is_not_llama_is_refused(change, message):
    with pytest.raises(DataError, match=message):
        translate_config(PUBLISHED_CONFIG | change, "x", ("llada",))


def test_a_llada_without_its_keys_is_refused():
    with pytest.raises(DataError, match="lacks d_model, n_heads, n_layers"):
        translate_config({"model_type": "llada", "vocab_size": 9}, "x", ("llada",))


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("model.embed_tokens.weight", "model.transformer.wte.weight"),
        ("lm_head.weight", "model.transformer.ff_out.weight"),
        ("model.layers.31.input_layernorm.weight", "model.transformer.blocks.31.attn_norm.weight"),
        ("model.layers.0.self_attn.o_proj.weight", "model.transformer.blocks.0.attn_out.weight"),
        ("model.layers.7.mlp.down_proj.weight", "model.transformer.blocks.7.ff_out.weight"),
    ],
)
def test_names_of_tensors(name, published):
    assert published_name(name, "llada") == published
    assert published_name(name, "llama") == name
