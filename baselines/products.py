"""Matrix products of answers on a CPU: through oneDNN, which uses the widest instructions of every processor.

PyTorch's own float32 products go through MKL, which on AMD's does not: half the speed on a Zen 5 core. Both compute in
float32; only the last bits differ.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def linear(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`torch.nn.functional.linear`. Shapes: (..., n), (m, n), (m,) -> (..., m)"""
    of_answers = inputs.device.type == "cpu" and inputs.dtype == torch.float32 and not torch.is_grad_enabled()
    if _ONEDNN and of_answers and inputs.numel():  # it has no gradient
        found: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, "none", [], "")
        return found
    return functional.linear(inputs, weight, bias)
