"""The blocks against those of `transformers`, on random weights."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaModel, Qwen2Config, Qwen2Model

from mindrec_baselines.code_lm.llama_blocks import LlamaBlocks
from mindrec_baselines.code_lm.masked_lm import items_alone
from mindrec_baselines.code_lm.sizes import TransformerSize
from mindrec_baselines.code_lm.transformer import settings

BEFORE, SLOTS, HISTORIES, CANVASES = 5, 3, 2, 6
POSITIONS = torch.tensor([1, 2, 3, 4, 5, 7, 8, 10])
OWNER = torch.tensor([0, 0, 1, 0, 1, 1])
SEEN = torch.tensor([[True] * 5, [False, False, True, True, True]])


@pytest.fixture(params=[2, 3])
def model(request) -> LlamaModel:
    """Blocks whose norms have scales, and weights large enough to tell states apart."""
    torch.manual_seed(request.param)
    model = LlamaModel(LlamaConfig(**settings(TransformerSize(layers=request.param, hidden=24, heads=3), 12))).eval()
    for name, parameter in model.named_parameters():
        torch.nn.init.uniform_(parameter, 0.5, 2) if "norm" in name else torch.nn.init.normal_(parameter, std=0.3)
    return model.requires_grad_(False)


@pytest.fixture
def inputs() -> tuple[Tensor, Tensor, Tensor]:
    """Histories, canvases, and the columns asked."""
    generator = torch.Generator().manual_seed(0)
    history = torch.randn(HISTORIES, BEFORE, 24, generator=generator)
    canvas = torch.randn(CANVASES, SLOTS, 24, generator=generator)
    return history, canvas, torch.rand(CANVASES, SLOTS, generator=generator).argsort(dim=1)[:, :2]


def expected(model: LlamaModel, inputs: tuple[Tensor, Tensor, Tensor], seen: Tensor | None, *, alone: bool) -> Tensor:
    """The whole sequences through `transformers`. Shape: (n, m, hidden)"""
    history, canvas, asked = inputs
    visible = torch.ones(CANVASES, BEFORE + SLOTS, dtype=torch.bool)
    visible[:, :BEFORE] = True if seen is None else seen[OWNER]
    mask = visible[:, None, None].expand(-1, 1, BEFORE + SLOTS, -1)
    states = model(
        inputs_embeds=torch.cat([history[OWNER], canvas], dim=1),
        attention_mask=items_alone(mask, BEFORE) if alone else mask,
        position_ids=POSITIONS[None],
        use_cache=False,
    ).last_hidden_state[:, BEFORE:]
    return states.gather(1, asked[..., None].expand(-1, -1, 24))


@pytest.mark.parametrize("seen", [None, SEEN], ids=["whole", "padded"])
def test_full_attention(model, inputs, seen) -> None:
    history, canvas, asked = inputs
    blocks = LlamaBlocks.of(model)
    first = blocks.project(0, history, POSITIONS[:BEFORE])
    of_each = None if seen is None else seen[OWNER]
    states, kept = blocks.full(history, first, OWNER, canvas, POSITIONS, asked, of_each)
    torch.testing.assert_close(states, expected(model, inputs, seen, alone=False), atol=1e-5, rtol=1e-5)
    assert [tuple(keys.shape) for keys, _ in kept] == [(CANVASES, 3, BEFORE, 8)] * len(model.layers)
    again = blocks.cached(kept, torch.arange(CANVASES), canvas, POSITIONS[BEFORE:], asked, of_each)
    torch.testing.assert_close(again, states, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("seen", [None, SEEN], ids=["whole", "padded"])
def test_histories_that_are_read_once(model, inputs, seen) -> None:
    history, canvas, asked = inputs
    blocks = LlamaBlocks.of(model)
    read = blocks.read(history, POSITIONS[:BEFORE], seen)
    states = blocks.cached(read, OWNER, canvas, POSITIONS[BEFORE:], asked, None if seen is None else seen[OWNER])
    wanted = expected(model, inputs, seen, alone=True)
    torch.testing.assert_close(states, wanted, atol=1e-5, rtol=1e-5)
    assert (wanted - expected(model, inputs, seen, alone=False)).abs().max() > 0.1


def test_no_history_at_all(model, inputs) -> None:
    _, canvas, asked = inputs
    blocks = LlamaBlocks.of(model)
    nothing = torch.empty(HISTORIES, 0, 24)
    first = blocks.project(0, nothing, POSITIONS[:0])
    states, _ = blocks.full(nothing, first, OWNER, canvas, POSITIONS[BEFORE:], asked)
    read = blocks.read(nothing, POSITIONS[:0])
    torch.testing.assert_close(states, blocks.cached(read, OWNER, canvas, POSITIONS[BEFORE:], asked))


@pytest.mark.parametrize(("kind", "options"), [(LlamaModel, LlamaConfig), (Qwen2Model, Qwen2Config)])
def test_positions_are_read_once(kind, options) -> None:
    """Three positions, then three more that see some of them: as one sequence of six."""
    torch.manual_seed(0)
    model = kind(options(**settings(TransformerSize(layers=3, hidden=24, heads=3), 12))).eval().requires_grad_(False)
    for parameter in model.parameters():  # the biases too
        torch.nn.init.normal_(parameter, std=0.3)
    states, numbers = torch.randn(2, 6, 24), torch.tensor([2, 3, 4, 5, 5, 6])
    mask = (torch.rand(2, 1, 6, 6) < 0.5).tril(-1) | torch.eye(6, dtype=torch.bool)
    wanted = model(inputs_embeds=states, attention_mask=mask, position_ids=numbers[None], use_cache=False)
    blocks = LlamaBlocks.of(model)
    last, before = blocks.write(states[:, :3], numbers[:3], mask[:, :, :3, :3], torch.tensor([2]))
    torch.testing.assert_close(last, wanted.last_hidden_state[:, 2:3], atol=1e-5, rtol=1e-5)
    answer, kept = blocks.write(states[:, 3:], numbers[3:], mask[:, :, 3:], torch.tensor([2, 0]), before)
    torch.testing.assert_close(answer, wanted.last_hidden_state[:, [5, 3]], atol=1e-5, rtol=1e-5)
    assert [tuple(keys.shape) for keys, _ in kept] == [(2, 3, 6, 8)] * 3
