"""Counts what a piece of work computes, and measures how fast the machine could."""

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

MATRIX = {"cpu": 1024, "cuda": 8192}
"""Rows and columns of the product that a device is measured with: large enough to keep it busy."""


@dataclass(frozen=True)
class Counted:
    """What one piece of work computes.

    Attributes:
        flops: floating-point operations of its matrix products, attention's included; other operations are few.
        positions: rows that went through a weight matrix, averaged over the matrices by their size: the sequence
            positions that ran through the whole network, or as much work in parts of it.
    """

    flops: int
    positions: float


def count(work: Callable[[], object]) -> Counted:
    """Run the work once and count.

    Attention is computed by plain matrix products meanwhile, since fused kernels are not counted on every device.
    """
    rows = _Rows()
    with rows, FlopCounterMode(display=False, custom_mapping=_ONEDNN) as flops, sdpa_kernel(SDPBackend.MATH):
        work()
    return Counted(flops.get_total_flops(), rows.positions)


def _linear_flops(inputs: Any, weight: Any, *rest: Any, out_shape: Any = None, **named: Any) -> int:
    """Of a linear layer; torch gives shapes."""
    return 2 * math.prod(inputs) * weight[0]


_ONEDNN: dict[Any, Any] = (
    {torch.ops.mkldnn._linear_pointwise: _linear_flops} if hasattr(torch.ops.mkldnn, "_linear_pointwise") else {}
)
"""A product that torch does not count by itself: networks may use it on a CPU."""


class _Rows(TorchDispatchMode):
    """Rows that each weight matrix is multiplied with; batched products are attention's, and have no weights."""

    _PRODUCTS: ClassVar = {torch.ops.aten.mm.default: (0, 1), torch.ops.aten.addmm.default: (1, 2)}

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[tuple[int, int], int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in self._PRODUCTS:
            left, weight = (args[place] for place in self._PRODUCTS[func])
            key = weight.data_ptr(), weight.numel()
            self.rows[key] = self.rows.get(key, 0) + len(left)
        elif getattr(func, "overloadpacket", None) in _ONEDNN:
            left, weight = args[:2]
            key = weight.data_ptr(), weight.numel()
            self.rows[key] = self.rows.get(key, 0) + left.numel() // left.shape[-1]
        return func(*args, **(kwargs or {}))

    @property
    def positions(self) -> float:
        """See `Counted`; 0 without products."""
        size = sum(numel for _, numel in self.rows)
        return sum(rows * numel for (_, numel), rows in self.rows.items()) / size if size else 0.0


def matrix_product_rate(device: str, repeats: int = 5) -> float:
    """Floating-point operations a second of a square product of float32, with the threads that decoding has.

    On a CPU by whichever of torch's two libraries is quicker.
    """
    side = MATRIX[device]
    left, right = torch.randn(2, side, side, device=device)
    ways: list[Callable[[], object]] = [lambda: left @ right]
    if device == "cpu" and _ONEDNN:
        ways.append(lambda: torch.ops.mkldnn._linear_pointwise(left, right, None, "none", [], ""))
    with torch.inference_mode():
        return 2 * side**3 / min(_seconds(way, device, repeats) for way in ways)


def _seconds(work: Callable[[], object], device: str, repeats: int) -> float:
    """The median, but for the first, which wakes threads and libraries."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return median(times[1:])
