"""Tiny random checkpoints in the exact formats of published LLaDA, Llama-3 and Qwen2.5."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

HIDDEN, INNER, LAYERS, HEADS, KV_HEADS = 16, 24, 2, 4, 2
SPARE_ROWS = 5
"""Rows of the embedding beyond the tokenizer, as in published LLaDA."""

HEADERS = ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
SPECIAL_TOKENS = {
    "llada": ["<|startoftext|>", "<|endoftext|>", "<|reserved_token_0|>", "<|mdm_mask|>", *HEADERS],
    "llama": ["<|begin_of_text|>", *HEADERS],
    "qwen2": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
}
START_TOKENS = {"llada": "<|startoftext|>", "llama": "<|begin_of_text|>"}
END_TOKENS = {"llada": "<|endoftext|>", "llama": "<|eot_id|>", "qwen2": "<|im_end|>"}


def chat_template(family: str) -> str:
    if family == "qwen2":
        turn = "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
        start, assistant = "", "<|im_start|>assistant\n"
    else:
        header = "'<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n'"
        turn = "{{ " + header + " + m['content'] + '<|eot_id|>' }}"
        start, assistant = START_TOKENS[family], "<|start_header_id|>assistant<|end_header_id|>\n\n"
    body = "{% for m in messages %}" + turn + "{% endfor %}"
    return start + body + "{% if add_generation_prompt %}" + assistant + "{% endif %}"


def write_tokenizer(folder: Path, family: str, *, template: bool = True) -> int:
    """Write a tokenizer in which every byte is a token, and return the number of tokens."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: index for index, letter in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END_TOKENS[family])
    wrapped.add_special_tokens({"additional_special_tokens": SPECIAL_TOKENS[family]})
    if template:
        wrapped.chat_template = chat_template(family)
    wrapped.save_pretrained(folder)
    return len(wrapped)


def config(family: str, rows: int, **changes: Any) -> dict[str, Any]:
    if family == "llada":
        values: dict[str, Any] = {
            "model_type": "llada",
            "architectures": ["LLaDAModelLM"],
            "auto_map": {"AutoConfig": "configuration_llada.LLaDAConfig", "AutoModel": "modeling_llada.LLaDAModelLM"},
            "d_model": HIDDEN,
            "n_heads": HEADS,
            "n_kv_heads": HEADS,
            "n_layers": LAYERS,
            "mlp_hidden_size": INNER,
            "rope_theta": 500000.0,
            "rms_norm_eps": 1e-5,
            "vocab_size": rows,
            "embedding_size": rows,
            "max_sequence_length": 4096,
            "include_bias": False,
            "activation_type": "silu",
            "block_type": "llama",
            "layer_norm_type": "rms",
            "rope": True,
            "weight_tying": False,
        }
    else:
        values = {
            "model_type": family,
            "architectures": ["LlamaForCausalLM" if family == "llama" else "Qwen2ForCausalLM"],
            "hidden_size": HIDDEN,
            "num_attention_heads": HEADS,
            "num_key_value_heads": KV_HEADS,
            "num_hidden_layers": LAYERS,
            "intermediate_size": INNER,
            "rope_theta": 500000.0 if family == "llama" else 1000000.0,
            "rms_norm_eps": 1e-5 if family == "llama" else 1e-6,
            "vocab_size": rows,
            "max_position_embeddings": 4096,
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
        }
    return values | changes


def weights(family: str, rows: int, *, tied: bool = False, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights under the published names."""
    generator = torch.Generator().manual_seed(seed)
    kv_width = HIDDEN // HEADS * (HEADS if family == "llada" else KV_HEADS)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) / shape[-1] ** 0.5

    def norm() -> torch.Tensor:
        return 1 + 0.1 * torch.randn(HIDDEN, generator=generator)

    llada = family == "llada"
    tensors = {
        "model.transformer.wte.weight" if llada else "model.embed_tokens.weight": draw(rows, HIDDEN),
        "model.transformer.ln_f.weight" if llada else "model.norm.weight": norm(),
    }
    if not tied:
        tensors["model.transformer.ff_out.weight" if llada else "lm_head.weight"] = draw(rows, HIDDEN)
    for layer in range(LAYERS):
        start = f"model.transformer.blocks.{layer}." if llada else f"model.layers.{layer}."
        names = (
            ("attn_norm", "ff_norm", "q_proj", "k_proj", "v_proj", "attn_out", "ff_proj", "up_proj", "ff_out")
            if llada
            else (
                *("input_layernorm", "post_attention_layernorm"),
                *(f"self_attn.{letter}_proj" for letter in "qkvo"),
                *(f"mlp.{part}_proj" for part in ("gate", "up", "down")),
            )
        )
        shapes = [(HIDDEN, HIDDEN), (kv_width, HIDDEN), (kv_width, HIDDEN), (HIDDEN, HIDDEN)]
        shapes += [(INNER, HIDDEN), (INNER, HIDDEN), (HIDDEN, INNER)]
        for name in names[:2]:
            tensors[f"{start}{name}.weight"] = norm()
        for name, shape in zip(names[2:], shapes, strict=True):
            tensors[f"{start}{name}.weight"] = draw(*shape)
        if family == "qwen2":
            for letter, width in (("q", HIDDEN), ("k", kv_width), ("v", kv_width)):
                tensors[f"{start}self_attn.{letter}_proj.bias"] = draw(width)
    return tensors


def write_weights(folder: Path, tensors: dict[str, torch.Tensor], shards: int) -> None:
    names = list(tensors)
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return
    index: dict[str, str] = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        shard_names = names[shard::shards]
        save_file({name: tensors[name] for name in shard_names}, folder / file, metadata={"format": "pt"})
        index |= dict.fromkeys(shard_names, file)
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    content = {"metadata": {"total_size": size}, "weight_map": index}
    (folder / "model.safetensors.index.json").write_text(json.dumps(content))


def write_checkpoint(
    folder: Path, family: str, *, shards: int = 2, tied: bool = False, seed: int = 0, **changes: Any
) -> dict[str, torch.Tensor]:
    """Write a checkpoint of model type `llada`, `llama` or `qwen2` and return its tensors; `changes`: to its config."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = write_tokenizer(folder, family) + SPARE_ROWS
    tensors = weights(family, rows, tied=tied, seed=seed)
    changes = ({"tie_word_embeddings": True} if tied else {}) | changes
    (folder / "config.json").write_text(json.dumps(config(family, rows, **changes)))
    write_weights(folder, tensors, shards)
    return tensors
