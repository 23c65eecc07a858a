"""What LoRA trains on a published network, and its files."""

from __future__ import annotations

import pytest
import torch

from mindrec_baselines.checkpoints.files import open_checkpoint
from mindrec_baselines.checkpoints.weights import load_network
from mindrec_baselines.llm.lora import add_lora, load_lora, save_lora
from mindrec_bench.errors import DataError

from ..made_checkpoints import HEADS, HIDDEN, INNER, KV_HEADS, LAYERS, write_checkpoint


@pytest.fixture
def base(tmp_path):
    write_checkpoint(tmp_path, "qwen2")
    return load_network(open_checkpoint(str(tmp_path)), ("qwen2",), "cpu")


@pytest.mark.parametrize("train_tokens", ["all", "new"])
def test_what_is_trained(base, train_tokens):
    rows, codes = len(base.lm_head.weight), [5, 6, 9]
    base.to(torch.bfloat16)
    network = add_lora(base, codes, train_tokens, dropout=0.05)
    trained = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
    kv_width = HIDDEN // HEADS * KV_HEADS
    widths = [2 * HIDDEN, HIDDEN + kv_width, HIDDEN + kv_width, 2 * HIDDEN, *[HIDDEN + INNER] * 3]
    tokens = 2 * HIDDEN * (rows if train_tokens == "all" else len(codes))
    assert sum(parameter.numel() for parameter in trained.values()) == 8 * LAYERS * sum(widths) + tokens
    assert {parameter.dtype for parameter in trained.values()} == {torch.float32}
    scales = {layer.scaling["default"] for layer in network.modules() if hasattr(layer, "lora_A")}
    assert scales == {32 / 8}
    dropouts = {layer.p for layer in network.modules() if isinstance(layer, torch.nn.Dropout)}
    assert dropouts == {0.05}


def test_an_untrained_adapter_changes_nothing(base):
    ids = torch.arange(12)[None]
    with torch.no_grad():
        before = base(input_ids=ids).logits
        torch.testing.assert_close(add_lora(base, [5], "all", 0.0)(input_ids=ids).logits, before, rtol=0, atol=0)


@pytest.mark.parametrize("train_tokens", ["all", "new"])
def test_a_saved_adapter_loads_to_the_same_network(base, tmp_path, train_tokens):
    network = add_lora(base, [5, 6, 9], train_tokens, 0.0)
    torch.manual_seed(0)
    for parameter in network.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1)
    ids = torch.arange(12)[None]
    with torch.no_grad():
        expected = network(input_ids=ids).logits
    save_lora(network, tmp_path / "fit")
    reloaded = load_network(open_checkpoint(str(tmp_path)), ("qwen2",), "cpu")
    with torch.no_grad():
        torch.testing.assert_close(load_lora(reloaded, tmp_path / "fit", "cpu")(input_ids=ids).logits, expected)


def test_a_missing_adapter(base, tmp_path):
    with pytest.raises(DataError, match="adapter is missing, damaged or of another network"):
        load_lora(base, tmp_path / "nowhere", "cpu")
