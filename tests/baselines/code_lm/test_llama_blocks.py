"""`LlamaBlocks` against the blocks of transformers, on random weights."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaModel, Qwen2Config, Qwen2Model

from mindrec_baselines.code_lm.llama_blocks import LlamaBlocks
from mindrec_baselines.code_lm.masked_lm import isolate_history
from mindrec_baselines.code_lm.sizes import TransformerSize
from mindrec_baselines.code_lm.transformer import config_kwargs

LENGTH, SLOTS, HISTORIES, CANVASES = 5, 3, 2, 6
POSITION_IDS = torch.tensor([1, 2, 3, 4, 5, 7, 8, 10])
HISTORY_ROWS = torch.tensor([0, 0, 1, 0, 1, 1])
ATTENTION_MASK = torch.tensor([[True] * 5, [False, False, True, True, True]])


@pytest.fixture(params=[2, 3])
def model(request) -> LlamaModel:
    """A model whose norms have scales other than 1, and whose weights are large enough to tell states apart."""
    torch.manual_seed(request.param)
    model = LlamaModel(
        LlamaConfig(**config_kwargs(TransformerSize(layers=request.param, hidden=24, heads=3), 12))
    ).eval()
    for name, parameter in model.named_parameters():
        torch.nn.init.uniform_(parameter, 0.5, 2) if "norm" in name else torch.nn.init.normal_(parameter, std=0.3)
    return model.requires_grad_(False)


@pytest.fixture
def inputs() -> tuple[Tensor, Tensor, Tensor]:
    """Histories, canvases, and columns of these."""
    generator = torch.Generator().manual_seed(0)
    history = torch.randn(HISTORIES, LENGTH, 24, generator=generator)
    canvas = torch.randn(CANVASES, SLOTS, 24, generator=generator)
    return history, canvas, torch.rand(CANVASES, SLOTS, generator=generator).argsort(dim=1)[:, :2]


def expected(
    model: LlamaModel, inputs: tuple[Tensor, Tensor, Tensor], attention_mask: Tensor | None, *, isolated: bool
) -> Tensor:
    """Whole sequences computed by transformers. Shape: (n, m, hidden)"""
    history, canvas, columns = inputs
    attended = torch.ones(CANVASES, LENGTH + SLOTS, dtype=torch.bool)
    attended[:, :LENGTH] = True if attention_mask is None else attention_mask[HISTORY_ROWS]
    mask = attended[:, None, None].expand(-1, 1, LENGTH + SLOTS, -1)
    states = model(
        inputs_embeds=torch.cat([history[HISTORY_ROWS], canvas], dim=1),
        attention_mask=isolate_history(mask, LENGTH) if isolated else mask,
        position_ids=POSITION_IDS[None],
        use_cache=False,
    ).last_hidden_state[:, LENGTH:]
    return states.gather(1, columns[..., None].expand(-1, -1, 24))


@pytest.mark.parametrize("attention_mask", [None, ATTENTION_MASK], ids=["whole", "padded"])
def test_full_attention(model, inputs, attention_mask) -> None:
    history, canvas, columns = inputs
    blocks = LlamaBlocks.from_model(model)
    history_qkv = blocks.project(0, history, POSITION_IDS[:LENGTH])
    canvas_mask = None if attention_mask is None else attention_mask[HISTORY_ROWS]
    states, keys_values = blocks.attend_full(
        history, history_qkv, HISTORY_ROWS, canvas, POSITION_IDS, columns, canvas_mask
    )
    torch.testing.assert_close(states, expected(model, inputs, attention_mask, isolated=False), atol=1e-5, rtol=1e-5)
    assert [tuple(keys.shape) for keys, _ in keys_values] == [(CANVASES, 3, LENGTH, 8)] * len(model.layers)
    again = blocks.attend_cached(
        keys_values, torch.arange(CANVASES), canvas, POSITION_IDS[LENGTH:], columns, canvas_mask
    )
    torch.testing.assert_close(again, states, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("attention_mask", [None, ATTENTION_MASK], ids=["whole", "padded"])
def test_histories_that_are_computed_once(model, inputs, attention_mask) -> None:
    history, canvas, columns = inputs
    blocks = LlamaBlocks.from_model(model)
    keys_values = blocks.encode_history(history, POSITION_IDS[:LENGTH], attention_mask)
    canvas_mask = None if attention_mask is None else attention_mask[HISTORY_ROWS]
    states = blocks.attend_cached(keys_values, HISTORY_ROWS, canvas, POSITION_IDS[LENGTH:], columns, canvas_mask)
    isolated = expected(model, inputs, attention_mask, isolated=True)
    torch.testing.assert_close(states, isolated, atol=1e-5, rtol=1e-5)
    assert (isolated - expected(model, inputs, attention_mask, isolated=False)).abs().max() > 0.1


def test_no_history_at_all(model, inputs) -> None:
    _, canvas, columns = inputs
    blocks = LlamaBlocks.from_model(model)
    nothing = torch.empty(HISTORIES, 0, 24)
    history_qkv = blocks.project(0, nothing, POSITION_IDS[:0])
    states, _ = blocks.attend_full(nothing, history_qkv, HISTORY_ROWS, canvas, POSITION_IDS[LENGTH:], columns)
    keys_values = blocks.encode_history(nothing, POSITION_IDS[:0])
    torch.testing.assert_close(
        states, blocks.attend_cached(keys_values, HISTORY_ROWS, canvas, POSITION_IDS[LENGTH:], columns)
    )


@pytest.mark.parametrize(("model_class", "config_class"), [(LlamaModel, LlamaConfig), (Qwen2Model, Qwen2Config)])
def test_positions_are_computed_once(model_class, config_class) -> None:
    """Three positions, then three more that attend to some of them, equal one sequence of six."""
    torch.manual_seed(0)
    model = (
        model_class(config_class(**config_kwargs(TransformerSize(layers=3, hidden=24, heads=3), 12)))
        .eval()
        .requires_grad_(False)
    )
    for parameter in model.parameters():  # the biases too
        torch.nn.init.normal_(parameter, std=0.3)
    states, position_ids = torch.randn(2, 6, 24), torch.tensor([2, 3, 4, 5, 5, 6])
    mask = (torch.rand(2, 1, 6, 6) < 0.5).tril(-1) | torch.eye(6, dtype=torch.bool)
    whole = model(inputs_embeds=states, attention_mask=mask, position_ids=position_ids[None], use_cache=False)
    blocks = LlamaBlocks.from_model(model)
    last, past = blocks.extend(states[:, :3], position_ids[:3], mask[:, :, :3, :3], torch.tensor([2]))
    torch.testing.assert_close(last, whole.last_hidden_state[:, 2:3], atol=1e-5, rtol=1e-5)
    new_states, keys_values = blocks.extend(states[:, 3:], position_ids[3:], mask[:, :, 3:], torch.tensor([2, 0]), past)
    torch.testing.assert_close(new_states, whole.last_hidden_state[:, [5, 3]], atol=1e-5, rtol=1e-5)
    assert [tuple(keys.shape) for keys, _ in keys_values] == [(2, 3, 6, 8)] * 3
