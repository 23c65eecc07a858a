"""The blocks against plain loops over single sequences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from mindrec_baselines.code_lm.sizes import TransformerSize
from mindrec_baselines.item_transformer.blocks import CausalBlocks
from mindrec_baselines.item_transformer.sequences import PackedItems

SIZE = TransformerSize(layers=2, hidden=8, heads=2)


def plain(blocks: CausalBlocks, inputs: torch.Tensor, gates: bool) -> torch.Tensor:
    """One sequence, position by position, with attention written out. Shape: (n, hidden) -> (n, hidden)"""

    def norm(states: torch.Tensor, layer: torch.nn.RMSNorm) -> torch.Tensor:
        return functional.rms_norm(states, (8,), layer.weight)

    states = inputs + blocks.positions[: len(inputs)]
    for block in blocks.blocks:
        normed = norm(states, block.norms[0])
        q, k, v = (normed @ block.attention.qkv.weight.T).chunk(3, dim=1)
        rows = []
        for position in range(len(inputs)):
            heads = []
            for columns in (slice(0, 4), slice(4, 8)):
                weights = (k[: position + 1, columns] @ q[position, columns] / 2).softmax(dim=0)
                heads.append(weights @ v[: position + 1, columns])
            rows.append(torch.cat(heads))
        change = torch.stack(rows) @ block.attention.out.weight.T
        if gates:
            change = change / (1 + torch.exp(-(normed @ block.gates[0].weight.T + block.gates[0].bias)))
        states = states + change
        normed = norm(states, block.norms[1])
        gate, up = (normed @ block.feed_forward.up.weight.T).chunk(2, dim=1)
        change = (gate * torch.sigmoid(gate) * up) @ block.feed_forward.down.weight.T
        if gates:
            change = change / (1 + torch.exp(-(normed @ block.gates[1].weight.T + block.gates[1].bias)))
        states = states + change
    return norm(states, blocks.norm)


@pytest.mark.parametrize("gates", [False, True])
def test_packed_sequences_equal_single_ones(gates: bool) -> None:
    torch.manual_seed(0)
    blocks = CausalBlocks(SIZE, 5, dropout=0.5, gates=gates).eval()
    packed = PackedItems.pack(np.array([[-1, -1, -1, 0, 1], [2, 3, 4, 5, 6], [-1, -1, 7, 8, 9]]))
    inputs = torch.randn(10, 8)
    tensors = packed.tensors()
    with torch.no_grad():
        states = blocks(inputs, tensors["places"], tensors["grid"])
        expected = torch.cat([plain(blocks, rows, gates) for rows in inputs.split(packed.lengths.tolist())])
    torch.testing.assert_close(states, expected, atol=1e-5, rtol=1e-5)
