"""Published weights in 8 bits: with bitsandbytes where it is there, else with a stand-in of the same interface."""

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


def read(folder, family: str, *, in_8bit: bool):
    return load_network(open_checkpoint(str(folder), pytest.fail), (family,), "cpu", in_8bit=in_8bit)


class Int8Params(nn.Parameter):
    """As the package's, but whole numbers stay halves."""

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
def test_the_matrices_of_the_blocks_and_nothing_else(tmp_path, stand_in, family):
    write_checkpoint(tmp_path, family)
    whole, small = (read(tmp_path, family, in_8bit=choice) for choice in (False, True))
    layers = {name for name, layer in small.named_modules() if isinstance(layer, Linear8bitLt)}
    assert len(layers) == 2 * 7
    assert all(name.startswith("model.layers.") for name in layers)
    assert type(small.lm_head) is nn.Linear
    for name, parameter in small.named_parameters():
        in_8bit = name.removesuffix(".weight") in layers
        assert (type(parameter) is Int8Params) == in_8bit
        rounding = {"rtol": 1e-3, "atol": 1e-3} if in_8bit else {"rtol": 0, "atol": 0}
        torch.testing.assert_close(parameter.float(), whole.get_parameter(name), **rounding)


def test_close_to_whole_weights(tmp_path):
    pytest.importorskip("bitsandbytes")
    write_checkpoint(tmp_path, "llada")
    ids = torch.arange(12)[None]
    with torch.no_grad():
        whole, small = (read(tmp_path, "llada", in_8bit=choice)(input_ids=ids).logits for choice in (False, True))
    assert 0 < (whole - small).abs().max() < 0.5 * whole.std()


def test_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    write_checkpoint(tmp_path, "llama")
    with pytest.raises(UsageError, match="load_in_8bit needs the package bitsandbytes, which is not installed"):
        read(tmp_path, "llama", in_8bit=True)
