"""Linear layers in float32 on a CPU, computed by oneDNN, which uses the widest instructions of every processor.

PyTorch's own product goes through MKL, which does not use them on AMD processors: half the speed on a Zen 5 core. Both
compute in float32; only the last bits differ.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

_HAS_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def onednn_linear(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`torch.nn.functional.linear`, by oneDNN where that applies. Shapes: (..., n), (m, n), (m,) -> (..., m)"""
    is_float32_on_cpu = inputs.device.type == "cpu" and inputs.dtype == weight.dtype == torch.float32
    if not (_HAS_ONEDNN and is_float32_on_cpu) or not inputs.numel() or torch.is_autocast_enabled("cpu"):
        return functional.linear(inputs, weight, bias)
    if not torch.is_grad_enabled():
        return _product(inputs, weight, bias)
    output: Tensor = _Linear.apply(inputs, weight, bias)  # type: ignore[no-untyped-call]
    return output


def patch_linears(network: nn.Module) -> None:
    """Make every `nn.Linear` of a network compute with `onednn_linear`."""
    for layer in network.modules():
        if type(layer) is nn.Linear:
            layer.forward = MethodType(_forward, layer)  # type: ignore[method-assign]


def _forward(layer: nn.Linear, inputs: Tensor) -> Tensor:
    return onednn_linear(inputs, layer.weight, layer.bias)


def _product(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    output: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, "none", [], "")
    return output


class _Linear(torch.autograd.Function):
    """The product with its gradient, which the operator itself lacks."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        return _product(inputs, weight, bias)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        inputs, weight = ctx.saved_tensors
        needs_inputs, needs_weight, needs_bias = ctx.needs_input_grad
        rows = gradient.flatten(0, -2)
        return (
            _product(gradient, weight.t()) if needs_inputs else None,
            _product(rows.t(), inputs.flatten(0, -2).t()) if needs_weight else None,
            rows.sum(dim=0) if needs_bias else None,
        )
