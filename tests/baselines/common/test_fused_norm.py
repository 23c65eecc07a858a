"""Norms by torch's operator against those of transformers."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig, LlamaModel, Qwen2Config, Qwen2Model

from mindrec_baselines.common.fused_norm import patch_norms


@pytest.mark.parametrize(("config", "model"), [(LlamaConfig, LlamaModel), (Qwen2Config, Qwen2Model)])
@pytest.mark.parametrize("bf16", [False, True], ids=["float32", "bf16"])
def test_outputs_and_gradients_have_the_same_bits(config, model, bf16: bool) -> None:
    sizes = {"vocab_size": 1, "hidden_size": 48, "intermediate_size": 64, "num_attention_heads": 4}
    torch.manual_seed(0)
    blocks = model(config(**sizes, num_key_value_heads=4, num_hidden_layers=2)).train()
    for name, parameter in blocks.named_parameters():
        if "norm" in name:
            torch.nn.init.normal_(parameter)
    results = []
    for patched in (False, True):
        if patched:
            patch_norms(blocks)
        inputs = torch.randn(3, 5, 48, generator=torch.Generator().manual_seed(1)).requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            states = blocks(inputs_embeds=inputs).last_hidden_state
        trained = [inputs, *blocks.layers.parameters(), *blocks.norm.parameters()]
        results.append([states, *torch.autograd.grad(states.float().square().sum(), trained)])
    norms = [layer for layer in blocks.modules() if "RMSNorm" in type(layer).__name__]
    assert all("forward" in vars(layer) for layer in norms)
    assert len(norms) == 5
    assert all(torch.equal(ours, theirs) for theirs, ours in zip(*results, strict=True))
