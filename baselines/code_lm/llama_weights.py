"""The weights of Llama blocks, laid out anew for `llama_blocks`.

A norm's scale goes into the matrix behind it, matrices of one input stand in one, and a head's channels are ordered so
that a rotation is a product of complex numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

WIDTH = 16
"""The feed-forward's width is filled up with zeros to a multiple of this: matrix products of odd widths are slow."""


@dataclass(frozen=True, eq=False)
class Block:
    """The weights of one layer.

    Attributes:
        qkv: queries, keys, values. Shape: (3 hidden, hidden)
        bias: of these; None: there is none. Shape: (3 hidden,)
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
    def of(cls, layer: Any, heads: int) -> Block:
        """Lay out the weights of a layer of Llama or Qwen2 (its biases) that has as many key as query heads."""
        attention, feed, norm = layer.self_attn, layer.mlp, layer.input_layernorm.weight
        rotated = attention.q_proj, attention.k_proj
        bias = None
        if attention.v_proj.bias is not None:
            bias = torch.cat([*(_interleaved(part.bias, heads) for part in rotated), attention.v_proj.bias])
        odd = -feed.gate_proj.weight.shape[0] % WIDTH
        after = layer.post_attention_layernorm.weight
        return cls(
            qkv=torch.cat([*(_interleaved(part.weight, heads) for part in rotated), attention.v_proj.weight]) * norm,
            bias=bias,
            out=attention.o_proj.weight,
            gate=functional.pad(feed.gate_proj.weight * after, (0, 0, 0, odd)),
            up=functional.pad(feed.up_proj.weight * after, (0, 0, 0, odd)),
            down=functional.pad(feed.down_proj.weight, (0, odd)),
        )

    def rows(self, first: int, last: int | None) -> tuple[Tensor, Tensor | None]:
        """Some rows of `qkv` and of `bias`."""
        return self.qkv[first:last], None if self.bias is None else self.bias[first:last]


def _interleaved(weight: Tensor, heads: int) -> Tensor:
    """Of a matrix or its bias: channels c and c + half of a head, which rotate together, become neighbours."""
    return weight.unflatten(0, (heads, 2, -1)).transpose(1, 2).flatten(0, 2)
