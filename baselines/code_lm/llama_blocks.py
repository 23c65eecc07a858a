"""A stack of Llama blocks for many canvases over one history, in the fewest operations that give the same result.

`transformers` computes every position of every layer for each sequence. Here the beams of a user share a history, and
only some columns of a canvas are needed, so

* the queries, keys and values of a history in the first layer are computed once for all its canvases;
* the last layer computes queries and the feed-forward only at the columns needed;
* a history that attends to itself only (`encode_history`) is computed once, and its keys and values serve all canvases
  (`attend_cached`);
* a causal stack computes each position once (`extend`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ..common.onednn_linear import onednn_linear
from .llama_weights import LayerWeights

KeysValues = list[tuple[Tensor, Tensor]]
"""Keys and values in each layer, for R histories of h positions. Shapes: (R, heads, h, hidden / heads)"""


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

    layers: list[LayerWeights]
    norm: Tensor
    rotations: Tensor
    heads: int
    eps: float

    @classmethod
    @torch.no_grad()
    def from_model(cls, model: Any, positions: int = 0) -> LlamaBlocks:
        """Convert the current weights of a `LlamaModel` or `Qwen2Model`.

        Args:
            model: its rotary embeddings know no longest sequence.
            positions: how many there will be, where they are more than those of the model's configuration.
        """
        config = model.config
        position = torch.arange(max(positions, config.max_position_embeddings), device=model.norm.weight.device)
        angles = position[:, None] * model.rotary_emb.inv_freq
        return cls(
            layers=[LayerWeights.from_layer(layer, config.num_attention_heads) for layer in model.layers],
            norm=model.norm.weight,
            rotations=torch.polar(torch.ones_like(angles), angles)[:, None],
            heads=config.num_attention_heads,
            eps=config.rms_norm_eps,
        )

    def project(self, layer: int, states: Tensor, position_ids: Tensor) -> Tensor:
        """Rotated queries and keys, and values, of a layer. (n, t, hidden), (t,) -> (n, t, 3 heads, hidden / heads)"""
        weights = self.layers[layer]
        qkv = onednn_linear(self._normalise(states), weights.qkv, weights.bias).unflatten(2, (3 * self.heads, -1))
        _rotate(qkv[:, :, : 2 * self.heads], self.rotations[position_ids])
        return qkv

    def encode_history(self, history: Tensor, position_ids: Tensor, attention_mask: Tensor | None = None) -> KeysValues:
        """Keys and values of histories that attend to themselves only.

        Args:
            history: embedded. Shape: (R, h, hidden)
            position_ids: Shape: (h,)
            attention_mask: False in the padding; None where there is no padding. Shape: (R, h), bool
        """
        mask = None
        if attention_mask is not None:  # a row without any True would give NaN
            itself = torch.eye(attention_mask.shape[1], dtype=torch.bool, device=attention_mask.device)
            mask = attention_mask[:, None, None] | itself
        keys_values: KeysValues = []
        for layer in range(len(self.layers)):
            q, k, v = self._split_qkv(self.project(layer, history, position_ids))
            keys_values.append((k, v))
            if layer + 1 < len(self.layers):
                attended = functional.scaled_dot_product_attention(q, k, v, mask)
                history = self._finish_layer(layer, history, attended)
        return keys_values

    def attend_full(
        self,
        history: Tensor,
        history_qkv: Tensor,
        history_rows: Tensor,
        canvas: Tensor,
        position_ids: Tensor,
        columns: Tensor,
        attention_mask: Tensor | None = None,
    ) -> tuple[Tensor, KeysValues]:
        """Every position of history and canvas attends to all positions.

        Args:
            history: embedded. Shape: (R, h, hidden)
            history_qkv: `project(0, history, ...)`.
            history_rows: which of the R histories precedes each canvas. Shape: (n,)
            canvas: embedded. Shape: (n, T, hidden)
            position_ids: of the history, then of the canvas. Shape: (h + T,)
            columns: of the canvas, to return. Shape: (n, m)
            attention_mask: False in the padding of each canvas's history; None where there is no padding.
                Shape: (n, h), bool

        Returns:
            Last hidden states at the columns, shape (n, m, hidden); and keys and values of the n histories.
        """
        length = history.shape[1]
        mask = _pad_mask(attention_mask, canvas.shape[1])
        states = torch.cat([history[history_rows], canvas], dim=1)
        qkv = torch.cat([history_qkv[history_rows], self.project(0, canvas, position_ids[length:])], dim=1)
        keys_values: KeysValues = []
        for layer in range(len(self.layers) - 1):
            q, k, v = self._split_qkv(qkv if layer == 0 else self.project(layer, states, position_ids))
            keys_values.append((k[:, :, :length], v[:, :, :length]))
            states = self._finish_layer(layer, states, functional.scaled_dot_product_attention(q, k, v, mask))
        k, v = self._last_keys_values(states, position_ids)
        keys_values.append((k[:, :, :length], v[:, :, :length]))
        return self._last_states(states[:, length:], columns, position_ids[length:], k, v, mask), keys_values

    def attend_cached(
        self,
        history: KeysValues,
        history_rows: Tensor,
        canvas: Tensor,
        position_ids: Tensor,
        columns: Tensor,
        attention_mask: Tensor | None = None,
    ) -> Tensor:
        """The canvas attends to all positions, and the keys and values of the history are known.

        Args:
            history: from `encode_history` or an earlier `attend_full`.
            history_rows, canvas, columns, attention_mask: as in `attend_full`.
            position_ids: of the canvas alone. Shape: (T,)

        Returns:
            Last hidden states at the columns. Shape: (n, m, hidden)
        """
        mask = _pad_mask(attention_mask, canvas.shape[1])
        states, last = canvas, len(self.layers) - 1
        for layer in range(last):
            q, k, v = self._split_qkv(self.project(layer, states, position_ids))
            k, v = _append((history[layer][0][history_rows], history[layer][1][history_rows]), k, v)
            states = self._finish_layer(layer, states, functional.scaled_dot_product_attention(q, k, v, mask))
        k, v = self._last_keys_values(states, position_ids)
        k, v = _append((history[last][0][history_rows], history[last][1][history_rows]), k, v)
        return self._last_states(states, columns, position_ids, k, v, mask)

    def extend(
        self, states: Tensor, position_ids: Tensor, mask: Tensor, columns: Tensor, past: KeysValues | None = None
    ) -> tuple[Tensor, KeysValues]:
        """New positions after those whose keys and values are known, each attending to what a mask says.

        Args:
            states: embedded. Shape: (n, t, hidden)
            position_ids: Shape: (t,)
            mask: rows attend to columns, known positions first. Shape: (n, 1, t, known + t), bool
            columns: which of the t positions to return. Shape: (m,)
            past: known keys and values, or None.

        Returns:
            Last hidden states at the columns, shape (n, m, hidden); and keys and values of all positions, known ones
            first.
        """
        keys_values: KeysValues = []
        bias = torch.zeros(mask.shape, dtype=states.dtype, device=mask.device).masked_fill_(~mask, -torch.inf)
        for layer in range(len(self.layers) - 1):
            q, k, v = self._split_qkv(self.project(layer, states, position_ids))
            keys_values.append((k, v) if past is None else _append(past[layer], k, v))
            states = self._finish_layer(layer, states, _biased_attention(q, *keys_values[-1], bias))
        k, v = self._last_keys_values(states, position_ids)
        keys_values.append((k, v) if past is None else _append(past[-1], k, v))
        all_columns = columns.expand(len(states), -1)
        last_states = self._last_states(states, all_columns, position_ids, *keys_values[-1], bias[:, :, columns])
        return last_states, keys_values

    def _last_keys_values(self, states: Tensor, position_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of the last layer. Shapes: (n, heads, t, hidden / heads)"""
        weight, bias = self.layers[-1].qkv_rows(states.shape[2], None)
        both = onednn_linear(self._normalise(states), weight, bias).unflatten(2, (2 * self.heads, -1))
        _rotate(both[:, :, : self.heads], self.rotations[position_ids])
        k, v = both.transpose(1, 2).chunk(2, dim=1)
        return k, v

    def _last_states(
        self, states: Tensor, columns: Tensor, position_ids: Tensor, k: Tensor, v: Tensor, mask: Tensor | None
    ) -> Tensor:
        """The last layer at some columns, and the last norm. Shape: (n, m, hidden)"""
        states = states.gather(1, columns[..., None].expand(-1, -1, states.shape[2]))
        weight, bias = self.layers[-1].qkv_rows(0, states.shape[2])
        q = onednn_linear(self._normalise(states), weight, bias).unflatten(2, (self.heads, -1))
        _rotate(q, self.rotations[position_ids[columns]])
        attended = functional.scaled_dot_product_attention(q.transpose(1, 2), k, v, mask)
        return self._normalise(self._finish_layer(len(self.layers) - 1, states, attended)) * self.norm

    def _finish_layer(self, layer: int, states: Tensor, attended: Tensor) -> Tensor:
        """The rest of a layer after its attention, `attended` of shape (n, heads, t, hidden / heads)."""
        weights = self.layers[layer]
        states = states + onednn_linear(attended.transpose(1, 2).flatten(2), weights.out)
        normalised = self._normalise(states)
        inner = functional.silu(onednn_linear(normalised, weights.gate), inplace=True)
        inner *= onednn_linear(normalised, weights.up)
        return states.add_(onednn_linear(inner, weights.down))

    def _normalise(self, states: Tensor) -> Tensor:
        """Scale to a root mean square of 1. Shape: (..., hidden)"""
        return states * states.square().mean(dim=-1, keepdim=True).add_(self.eps).rsqrt_()

    def _split_qkv(self, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Shape: (n, t, 3 heads, hidden / heads) -> three times (n, heads, t, hidden / heads)"""
        q, k, v = qkv.transpose(1, 2).split(self.heads, dim=1)
        return q, k, v


def _pad_mask(attention_mask: Tensor | None, slots: int) -> Tensor | None:
    """The mask of a history's padding before a canvas without padding. Shape: (n, h) -> (n, 1, 1, h + slots)"""
    return None if attention_mask is None else functional.pad(attention_mask, (0, slots), value=True)[:, None, None]


def _rotate(heads: Tensor, rotations: Tensor) -> None:
    """In place. Shapes: (n, t, heads, channels), and (t, 1, channels / 2) or (n, t, 1, channels / 2)"""
    torch.view_as_complex(heads.unflatten(-1, (-1, 2))).mul_(rotations)


def _biased_attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """Attention under an additive mask. On a CPU two matrix products are faster where positions are few."""
    if q.device.type != "cpu":
        return functional.scaled_dot_product_attention(q, k, v, bias)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(2, 3)
    return scores.add_(bias).softmax(dim=-1) @ v


def _append(past: tuple[Tensor, Tensor], k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Known keys and values, then new ones."""
    return torch.cat([past[0], k], dim=2), torch.cat([past[1], v], dim=2)
