"""A stack of Llama blocks over many canvases of one history, in the fewest operations that give the same numbers.

`transformers` computes all positions of all layers for each sequence. Beams of one user share their history, and only
some slots are asked, so here

* the first layer's queries, keys and values of a history are computed once for all its canvases;
* the last layer has queries, and a feed-forward, at the slots asked alone;
* a history that attends only to itself (`read`) is computed once: its keys and values serve all canvases (`cached`);
* a causal stack reads each position once (`write`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ..common.onednn_linear import linear
from .llama_weights import Block

KeysValues = list[tuple[Tensor, Tensor]]
"""Of each layer, for R histories of h positions. Shapes: (R, heads, h, hidden / heads)"""


@dataclass(frozen=True, eq=False)
class LlamaBlocks:
    """The stack.

    Attributes:
        layers: two or more.
        norm: scale of the last norm. Shape: (hidden,)
        rotations: of each position, complex. Shape: (positions, 1, hidden / heads / 2)
        heads: how many.
        eps: of the norms.
    """

    layers: list[Block]
    norm: Tensor
    rotations: Tensor
    heads: int
    eps: float

    @classmethod
    @torch.no_grad()
    def of(cls, model: Any) -> LlamaBlocks:
        """Take over the weights of a `LlamaModel` or `Qwen2Model`, as they are now."""
        config = model.config
        number = torch.arange(config.max_position_embeddings, device=model.norm.weight.device)
        angles = number[:, None] * model.rotary_emb.inv_freq
        return cls(
            layers=[Block.of(layer, config.num_attention_heads) for layer in model.layers],
            norm=model.norm.weight,
            rotations=torch.polar(torch.ones_like(angles), angles)[:, None],
            heads=config.num_attention_heads,
            eps=config.rms_norm_eps,
        )

    def project(self, layer: int, states: Tensor, positions: Tensor) -> Tensor:
        """Rotated queries and keys, and values, of a layer. (n, t, hidden), (t,) -> (n, t, 3 heads, hidden / heads)"""
        block = self.layers[layer]
        qkv = linear(self._normed(states), block.qkv, block.bias).unflatten(2, (3 * self.heads, -1))
        _rotate(qkv[:, :, : 2 * self.heads], self.rotations[positions])
        return qkv

    def read(self, history: Tensor, positions: Tensor, seen: Tensor | None = None) -> KeysValues:
        """Keys and values of histories that attend to themselves only.

        Args:
            history: embedded. Shape: (R, h, hidden)
            positions: their numbers. Shape: (h,)
            seen: False in the padding; None: there is none. Shape: (R, h), bool
        """
        mask = None
        if seen is not None:  # a row that sees nothing would be NaN
            mask = seen[:, None, None] | torch.eye(seen.shape[1], dtype=torch.bool, device=seen.device)
        kept: KeysValues = []
        for layer in range(len(self.layers)):
            q, k, v = self._split(self.project(layer, history, positions))
            kept.append((k, v))
            if layer + 1 < len(self.layers):
                history = self._after(layer, history, functional.scaled_dot_product_attention(q, k, v, mask))
        return kept

    def full(
        self,
        history: Tensor,
        first: Tensor,
        owner: Tensor,
        canvas: Tensor,
        positions: Tensor,
        asked: Tensor,
        seen: Tensor | None = None,
    ) -> tuple[Tensor, KeysValues]:
        """Every position of history and canvas attends to all.

        Args:
            history: embedded. Shape: (R, h, hidden)
            first: `project(0, history, ...)`.
            owner: which of the R histories stands before each canvas. Shape: (n,)
            canvas: embedded. Shape: (n, T, hidden)
            positions: their numbers, the history's and then the canvas's. Shape: (h + T,)
            asked: columns of the canvas to answer. Shape: (n, m)
            seen: False in the padding of each canvas's history; None: there is none. Shape: (n, h), bool

        Returns:
            Last hidden states there, shape (n, m, hidden); and keys and values of the n histories.
        """
        before = history.shape[1]
        mask = None if seen is None else functional.pad(seen, (0, canvas.shape[1]), value=True)[:, None, None]
        states = torch.cat([history[owner], canvas], dim=1)
        qkv = torch.cat([first[owner], self.project(0, canvas, positions[before:])], dim=1)
        kept: KeysValues = []
        for layer in range(len(self.layers) - 1):
            q, k, v = self._split(qkv if layer == 0 else self.project(layer, states, positions))
            kept.append((k[:, :, :before], v[:, :, :before]))
            states = self._after(layer, states, functional.scaled_dot_product_attention(q, k, v, mask))
        k, v = self._keys_values(states, positions)
        kept.append((k[:, :, :before], v[:, :, :before]))
        return self._answer(states[:, before:], asked, positions[before:], k, v, mask), kept

    def cached(
        self,
        read: KeysValues,
        owner: Tensor,
        canvas: Tensor,
        positions: Tensor,
        asked: Tensor,
        seen: Tensor | None = None,
    ) -> Tensor:
        """The canvas attends to all, and the history's keys and values are known. As `full`, but for

        Args:
            read: from `read`, or what an earlier `full` kept.
            positions: of the canvas alone. Shape: (T,)
        """
        mask = None if seen is None else functional.pad(seen, (0, canvas.shape[1]), value=True)[:, None, None]
        states, last = canvas, len(self.layers) - 1
        for layer in range(last):
            q, k, v = self._split(self.project(layer, states, positions))
            k, v = _behind((read[layer][0][owner], read[layer][1][owner]), k, v)
            states = self._after(layer, states, functional.scaled_dot_product_attention(q, k, v, mask))
        k, v = _behind((read[last][0][owner], read[last][1][owner]), *self._keys_values(states, positions))
        return self._answer(states, asked, positions, k, v, mask)

    def write(
        self, states: Tensor, positions: Tensor, mask: Tensor, asked: Tensor, before: KeysValues | None = None
    ) -> tuple[Tensor, KeysValues]:
        """Positions behind those of which keys and values are known, each attending to what a mask says.

        Args:
            states: embedded. Shape: (n, t, hidden)
            positions: their numbers. Shape: (t,)
            mask: row: who sees, column: who is seen, known positions first. Shape: (n, 1, t, known + t), bool
            asked: which of the t to answer. Shape: (m,)
            before: known keys and values; None: there are none.

        Returns:
            Last hidden states there, shape (n, m, hidden); and keys and values of all positions, known ones first.
        """
        kept: KeysValues = []
        barred = torch.zeros(mask.shape, dtype=states.dtype, device=mask.device).masked_fill_(~mask, -torch.inf)
        for layer in range(len(self.layers) - 1):
            q, k, v = self._split(self.project(layer, states, positions))
            kept.append((k, v) if before is None else _behind(before[layer], k, v))
            states = self._after(layer, states, _few(q, *kept[-1], barred))
        k, v = self._keys_values(states, positions)
        kept.append((k, v) if before is None else _behind(before[-1], k, v))
        of_each = asked.expand(len(states), -1)
        return self._answer(states, of_each, positions, *kept[-1], barred[:, :, asked]), kept

    def _keys_values(self, states: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Of the last layer. Shapes: (n, heads, t, hidden / heads)"""
        weight, bias = self.layers[-1].rows(states.shape[2], None)
        both = linear(self._normed(states), weight, bias).unflatten(2, (2 * self.heads, -1))
        _rotate(both[:, :, : self.heads], self.rotations[positions])
        k, v = both.transpose(1, 2).chunk(2, dim=1)
        return k, v

    def _answer(
        self, canvas: Tensor, asked: Tensor, positions: Tensor, k: Tensor, v: Tensor, mask: Tensor | None
    ) -> Tensor:
        """The last layer at the slots asked, and the last norm. Shape: (n, m, hidden)"""
        states = canvas.gather(1, asked[..., None].expand(-1, -1, canvas.shape[2]))
        weight, bias = self.layers[-1].rows(0, states.shape[2])
        q = linear(self._normed(states), weight, bias).unflatten(2, (self.heads, -1))
        _rotate(q, self.rotations[positions[asked]])
        attended = functional.scaled_dot_product_attention(q.transpose(1, 2), k, v, mask)
        return self._normed(self._after(len(self.layers) - 1, states, attended)) * self.norm

    def _after(self, layer: int, states: Tensor, attended: Tensor) -> Tensor:
        """What a layer does with what its heads have gathered, shape (n, heads, t, hidden / heads)."""
        block = self.layers[layer]
        states = states + linear(attended.transpose(1, 2).flatten(2), block.out)
        normed = self._normed(states)
        inner = functional.silu(linear(normed, block.gate), inplace=True)
        inner *= linear(normed, block.up)
        return states.add_(linear(inner, block.down))

    def _normed(self, states: Tensor) -> Tensor:
        """Of root mean square 1. Shape: (..., hidden)"""
        return states * states.square().mean(dim=-1, keepdim=True).add_(self.eps).rsqrt_()

    def _split(self, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Shape: (n, t, 3 heads, hidden / heads) -> thrice (n, heads, t, hidden / heads)"""
        q, k, v = qkv.transpose(1, 2).split(self.heads, dim=1)
        return q, k, v


def _rotate(heads: Tensor, rotations: Tensor) -> None:
    """In place. Shapes: (n, t, heads, channels), (t, 1, channels / 2) or with n before"""
    torch.view_as_complex(heads.unflatten(-1, (-1, 2))).mul_(rotations)


def _few(q: Tensor, k: Tensor, v: Tensor, barred: Tensor) -> Tensor:
    """Attention under an additive mask. On a CPU two matrix products are quicker where positions are few."""
    if q.device.type != "cpu":
        return functional.scaled_dot_product_attention(q, k, v, barred)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(2, 3)
    return scores.add_(barred).softmax(dim=-1) @ v


def _behind(known: tuple[Tensor, Tensor], k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values behind known ones."""
    return torch.cat([known[0], k], dim=2), torch.cat([known[1], v], dim=2)
