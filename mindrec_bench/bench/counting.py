"""Counts the operations of a computation, and measures how many per second this machine can do."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any, ClassVar

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

MATRIX_SIDE = {"cpu": 1024, "mps": 4096, "cuda": 8192}
"""Rows and columns of the matrix product that measures a device: large enough to keep it busy."""


@dataclass(frozen=True)
class OperationCount:
    """The operations of one computation.

    Attributes:
        flops: floating-point operations of matrix products, including those of attention; other operations are few.
        positions: rows multiplied with a weight matrix, averaged over the weight matrices in proportion to their
            sizes: the sequence positions that pass through the whole network, or the same amount of work in parts of
            it.
    """

    flops: int
    positions: float


def count_operations(work: Callable[[], object]) -> OperationCount:
    """Run `work` once and count its operations.

    Attention is computed by plain matrix products meanwhile, since fused kernels are not counted on every device.
    """
    rows = _WeightRowCounter()
    with rows, FlopCounterMode(display=False, custom_mapping=_ONEDNN_FLOPS) as flops, sdpa_kernel(SDPBackend.MATH):
        work()
    return OperationCount(flops.get_total_flops(), rows.positions)


def _linear_flops(inputs: Any, weight: Any, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
    """Operations of a linear layer; the arguments are shapes."""
    return 2 * math.prod(inputs) * weight[0]


_ONEDNN_FLOPS: dict[Any, Any] = (
    {torch.ops.mkldnn._linear_pointwise: _linear_flops} if hasattr(torch.ops.mkldnn, "_linear_pointwise") else {}
)
"""A matrix product that networks may use on a CPU and that torch does not count."""


class _WeightRowCounter(TorchDispatchMode):
    """Counts the rows multiplied with each weight matrix; batched products are those of attention, without weights."""

    _PRODUCTS: ClassVar = {torch.ops.aten.mm.default: (0, 1), torch.ops.aten.addmm.default: (1, 2)}
    """Operator -> the positions of inputs and weight among its arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[tuple[int, int], int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in self._PRODUCTS:
            inputs, weight = (args[index] for index in self._PRODUCTS[func])
            key = weight.data_ptr(), weight.numel()
            self.rows[key] = self.rows.get(key, 0) + len(inputs)
        elif getattr(func, "overloadpacket", None) in _ONEDNN_FLOPS:
            inputs, weight = args[:2]
            key = weight.data_ptr(), weight.numel()
            self.rows[key] = self.rows.get(key, 0) + inputs.numel() // inputs.shape[-1]
        return func(*args, **(kwargs or {}))

    @property
    def positions(self) -> float:
        """See `OperationCount`; 0 without products."""
        total_size = sum(numel for _, numel in self.rows)
        return sum(rows * numel for (_, numel), rows in self.rows.items()) / total_size if total_size else 0.0


def matrix_product_rate(device: str, precision: str = "float32", repeats: int = 5) -> float:
    """Floating-point operations per second of a square matrix product, with the threads that decoding has.

    On a CPU in float32 by the faster of the two libraries that torch has.

    Args:
        device: `cpu`, `cuda` or `mps`.
        precision: the name of torch's dtype: a GPU multiplies 25 times as fast in bfloat16 as in float32.
        repeats: the median counts.
    """
    side = MATRIX_SIDE[device]
    left, right = torch.randn(2, side, side, device=device, dtype=getattr(torch, precision))
    products: list[Callable[[], object]] = [lambda: left @ right]
    if device == "cpu" and precision == "float32" and _ONEDNN_FLOPS:
        products.append(lambda: torch.ops.mkldnn._linear_pointwise(left, right, None, "none", [], ""))
    with torch.inference_mode():
        return 2 * side**3 / min(_median_seconds(product, device, repeats) for product in products)


def _median_seconds(work: Callable[[], object], device: str, repeats: int) -> float:
    """The median over `repeats` runs after one that starts threads and loads libraries."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        work()
        if device != "cpu":
            torch.accelerator.synchronize()
        times.append(time.perf_counter() - start)
    return median(times[1:])
