"""The weights of Llama blocks in the layout of `llama_blocks`.

A norm's scale is folded into the matrix after it, matrices with the same input are concatenated, and the channels of a
head are reordered so that a rotary embedding is a product of complex numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

WIDTH_MULTIPLE = 16
"""The width of the feed-forward is padded with zeros to a multiple of this: products of odd widths are slow."""


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """The weights of one layer.

    Attributes:
        qkv: queries, keys, values. Shape: (3 hidden, hidden)
        bias: of `qkv`, or None. Shape: (3 hidden,)
        out: after the attention. Shape: (hidden, hidden)
        gate, up, down: of the feed-forward. Shapes: (width, hidden), (width, hidden), (hidden, width)
    """

    qkv: Tensor
    bias: Tensor | None
    out: Tensor
    gate: Tensor
    up: Tensor
    down: Tensor

    @classmethod
    def from_layer(cls, layer: Any, heads: int) -> LayerWeights:
        """Convert a layer of Llama or Qwen2 (which has biases) with as many key heads as query heads."""
        attention, feed_forward = layer.self_attn, layer.mlp
        scale, feed_forward_scale = layer.input_layernorm.weight, layer.post_attention_layernorm.weight
        rotated = attention.q_proj, attention.k_proj
        bias = None
        if attention.v_proj.bias is not None:
            bias = torch.cat([*(_interleave(part.bias, heads) for part in rotated), attention.v_proj.bias])
        padding = -feed_forward.gate_proj.weight.shape[0] % WIDTH_MULTIPLE
        return cls(
            qkv=torch.cat([*(_interleave(part.weight, heads) for part in rotated), attention.v_proj.weight]) * scale,
            bias=bias,
            out=attention.o_proj.weight,
            gate=functional.pad(feed_forward.gate_proj.weight * feed_forward_scale, (0, 0, 0, padding)),
            up=functional.pad(feed_forward.up_proj.weight * feed_forward_scale, (0, 0, 0, padding)),
            down=functional.pad(feed_forward.down_proj.weight, (0, padding)),
        )

    def qkv_rows(self, start: int, stop: int | None) -> tuple[Tensor, Tensor | None]:
        """A range of rows of `qkv` and of `bias`."""
        return self.qkv[start:stop], None if self.bias is None else self.bias[start:stop]


def _interleave(weight: Tensor, heads: int) -> Tensor:
    """Of a matrix or its bias: channels c and c + half of a head, which rotate together, become neighbours."""
    return weight.unflatten(0, (heads, 2, -1)).transpose(1, 2).flatten(0, 2)
