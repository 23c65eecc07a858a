"""A reference for published networks: one head and one example at a time, from the tensors of a checkpoint."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

LLADA = {
    "embed": "model.transformer.wte",
    "norm": "model.transformer.ln_f",
    "head": "model.transformer.ff_out",
    "block": "model.transformer.blocks.{}.",
    "first": "attn_norm",
    "second": "ff_norm",
    "q": "q_proj",
    "k": "k_proj",
    "v": "v_proj",
    "o": "attn_out",
    "gate": "ff_proj",
    "up": "up_proj",
    "down": "ff_out",
}
OTHER_FAMILIES = {
    "embed": "model.embed_tokens",
    "norm": "model.norm",
    "head": "lm_head",
    "block": "model.layers.{}.",
    "first": "input_layernorm",
    "second": "post_attention_layernorm",
    **{letter: f"self_attn.{letter}_proj" for letter in "qkvo"},
    **{part: f"mlp.{part}_proj" for part in ("gate", "up", "down")},
}


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True) + eps).sqrt() * weight


def rotate(x: Tensor, theta: float) -> Tensor:
    """Rotate pairs (i, i + half) by position x theta^(-i / half). Shape: (n, size)"""
    half = x.shape[1] // 2
    angle = torch.arange(len(x))[:, None] * theta ** (-torch.arange(half, dtype=x.dtype) / half)
    a, b = x[:, :half], x[:, half:]
    return torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], dim=1)


def logits(tensors: dict[str, Tensor], config: dict[str, Any], ids: list[int]) -> Tensor:
    """Logits at every position of one sequence without padding, in float64. Shape: (n, vocabulary)"""
    llada = config["model_type"] == "llada"
    names = LLADA if llada else OTHER_FAMILIES
    heads = config["n_heads" if llada else "num_attention_heads"]
    groups = heads // config["n_kv_heads" if llada else "num_key_value_heads"]
    layers, eps = config["n_layers" if llada else "num_hidden_layers"], config["rms_norm_eps"]
    weights = {name: tensor.double() for name, tensor in tensors.items()}
    x = weights[names["embed"] + ".weight"][ids]
    allowed = torch.ones(len(ids), len(ids), dtype=torch.bool)
    if not llada:
        allowed = allowed.tril()
    for layer in range(layers):
        start = names["block"].format(layer)

        def linear(x: Tensor, part: str, start: str = start) -> Tensor:
            name = start + names[part]
            return x @ weights[name + ".weight"].T + weights.get(name + ".bias", torch.zeros(1))

        y = rms_norm(x, weights[start + names["first"] + ".weight"], eps)
        size = x.shape[1] // heads
        q, k, v = (linear(y, part).split(size, dim=1) for part in "qkv")
        attended = []
        for head in range(heads):
            scores = rotate(q[head], config["rope_theta"]) @ rotate(k[head // groups], config["rope_theta"]).T
            scores = (scores / size**0.5).masked_fill(~allowed, -torch.inf)
            attended.append(scores.softmax(-1) @ v[head // groups])
        x = x + linear(torch.cat(attended, dim=1), "o")
        y = rms_norm(x, weights[start + names["second"] + ".weight"], eps)
        gate = linear(y, "gate")
        x = x + linear(gate * gate.sigmoid() * linear(y, "up"), "down")
    x = rms_norm(x, weights[names["norm"] + ".weight"], eps)
    head = weights.get(names["head"] + ".weight", weights[names["embed"] + ".weight"])
    return x @ head.T
