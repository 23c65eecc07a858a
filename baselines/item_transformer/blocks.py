"""Causal transformer blocks over one position for each item: pre-norm, SwiGLU, and LiGR's gates on request.

LiGR (arXiv 2502.03417) multiplies each residual branch f by a gate that reads the same normed input:
x + sigmoid(G norm(x)) * f(norm(x)). eSASRec (arXiv 2508.06450) found such blocks to be the better SASRec.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..code_lm.sizes import TransformerSize
from ..common.onednn_linear import patch_linears


class CausalBlocks(nn.Module):
    """A stack of blocks in which a position attends to itself and to earlier ones; positions are learned vectors.

    Args:
        size: of the stack.
        max_length: the longest sequence.
        dropout: on the inputs and on the result of each branch.
        gates: LiGR's gates.
    """

    def __init__(self, size: TransformerSize, max_length: int, *, dropout: float, gates: bool) -> None:
        super().__init__()
        self.hidden = size.hidden
        self.positions = nn.Parameter(torch.randn(max_length, size.hidden) * size.hidden**-0.5)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(_Block(size.hidden, size.heads, dropout, gates) for _ in range(size.layers))
        self.norm = nn.RMSNorm(size.hidden)
        patch_linears(self)

    def forward(self, inputs: Tensor, places: Tensor, grid: Tensor) -> Tensor:
        """Last hidden states, normed.

        Args:
            inputs: embedded items, all histories end to end. Shape: (m, hidden)
            places, grid: see `sequences.PackedItems`.

        Returns:
            Shape: (m, hidden)
        """
        states = self.dropout(inputs + functional.embedding(places % grid.shape[1], self.positions))
        for block in self.blocks:
            states = block(states, places, grid)
        normed: Tensor = self.norm(states)
        return normed


class _Block(nn.Module):
    """x + gate * branch, first with attention, then with the feed-forward layer."""

    def __init__(self, hidden: int, heads: int, dropout: float, gates: bool) -> None:
        super().__init__()
        self.attention, self.feed_forward = _Attention(hidden, heads), _SwiGlu(hidden)
        self.norms = nn.ModuleList(nn.RMSNorm(hidden) for _ in range(2))
        self.gates = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(2)) if gates else None
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, places: Tensor, grid: Tensor) -> Tensor:
        normed = self.norms[0](states)
        states = states + self.dropout(self._gated(0, normed, self.attention(normed, places, grid)))
        normed = self.norms[1](states)
        return states + self.dropout(self._gated(1, normed, self.feed_forward(normed)))

    def _gated(self, branch: int, normed: Tensor, change: Tensor) -> Tensor:
        return change if self.gates is None else torch.sigmoid(self.gates[branch](normed)) * change


class _Attention(nn.Module):
    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(hidden, 3 * hidden, bias=False)
        self.out = nn.Linear(hidden, hidden, bias=False)

    def forward(self, normed: Tensor, places: Tensor, grid: Tensor) -> Tensor:
        packed = self.qkv(normed)
        qkv = packed.new_zeros(grid.shape[0] * grid.shape[1], packed.shape[1]).index_copy(0, places, packed)
        q, k, v = qkv.view(*grid.shape[:2], 3 * self.heads, -1).transpose(1, 2).chunk(3, dim=1)
        attended = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        out: Tensor = self.out(attended.transpose(1, 2).flatten(2).flatten(0, 1).index_select(0, places))
        return out


class _SwiGlu(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        inner = hidden * 8 // 3
        self.up = nn.Linear(hidden, 2 * inner, bias=False)
        self.down = nn.Linear(inner, hidden, bias=False)

    def forward(self, normed: Tensor) -> Tensor:
        gate, up = self.up(normed).chunk(2, dim=-1)
        down: Tensor = self.down(functional.silu(gate) * up)
        return down
