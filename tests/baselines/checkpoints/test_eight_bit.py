"""Published weights in 8 bits: with bitsandbytes where it is installed, else with a stand-in of the same interface."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from mindrec_baselines.checkpoints.files import open_checkpoint
from mindrec_baselines.checkpoints.weights import load_network
from mindrec_bench.errors import UsageError

from ..made_checkpoints import write_checkpoint


def load(folder, family: str, *, in_8bit: bool):
    return load_network(open_checkpoint(str(folder)), (family,), "cpu", in_8bit=in_8bit)


class Int8Params(nn.Parameter):
    """As in bitsandbytes, but values are not rounded to whole numbers."""

    def __new__(cls, data, requires_grad=False, has_fp16_weights=False):
        assert data.is_meta or data.dtype == torch.float16
        assert not has_fp16_weights
        return super().__new__(cls, data, requires_grad)


class Linear8bitLt(nn.Linear):
    def __init__(self, width, height, bias, *, has_fp16_weights, threshold, device):
        assert (has_fp16_weights, threshold) == (False, 6.0)
        super().__init__(width, height, bias, device=device)
        self.weight = Int8Params(self.weight.data)

    def forward(self, x):
        return nn.functional.linear(x, self.weight.float(), self.bias)


@pytest.fixture
def stand_in(monkeypatch):
    package = SimpleNamespace(nn=SimpleNamespace(Linear8bitLt=Linear8bitLt, Int8Params=Int8Params))
    monkeypatch.setitem(sys.modules, "bitsandbytes", package)


@pytest.mark.parametrize("family", ["llada", "qwen2"])
def test_only_the_matrices_of_the_blocks_are_in_8_bits(tmp_path, stand_in, family):
    write_checkpoint(tmp_path, family)
    whole, small = (load(tmp_path, family, in_8bit=in_8bit) for in_8bit in (False, True))
    layers = {name for name, layer in small.named_modules() if isinstance(layer, Linear8bitLt)}
    assert len(layers) == 2 * 7
    assert all(name.startswith("model.layers.") for name in layers)
    assert type(small.lm_head) is nn.Linear
    for name, parameter in small.named_parameters():
        in_8bit = name.removesuffix(".weight") in layers
        assert (type(parameter) is Int8Params) == in_8bit
        rounding = {"rtol": 1e-3, "atol": 1e-3} if in_8bit else {"rtol": 0, "atol": 0}
        torch.testing.assert_close(parameter.float(), whole.get_parameter(name), **rounding)


def test_logits_are_close_to_those_of_full_precision(tmp_path):
    pytest.importorskip("bitsandbytes")
    write_checkpoint(tmp_path, "llada")
    ids = torch.arange(12)[None]
    with torch.no_grad():
        whole, small = (load(tmp_path, "llada", in_8bit=in_8bit)(input_ids=ids).logits for in_8bit in (False, True))
    assert 0 < (whole - small).abs().max() < 0.5 * whole.std()


def test_without_bitsandbytes(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    write_checkpoint(tmp_path, "llama")
    with pytest.raises(UsageError, match="load_in_8bit needs the package bitsandbytes, which is not installed"):
        load(tmp_path, "llama", in_8bit=True)
