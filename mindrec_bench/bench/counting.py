"""Counts what a piece of work computes, and measures how fast the machine could."""

from __future__ import annotations

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
    with rows, FlopCounterMode(display=False) as flops, sdpa_kernel(SDPBackend.MATH):
        work()
    return Counted(flops.get_total_flops(), rows.positions)


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
        return func(*args, **(kwargs or {}))

    @property
    def positions(self) -> float:
        """See `Counted`; 0 without products."""
        size = sum(numel for _, numel in self.rows)
        return sum(rows * numel for (_, numel), rows in self.rows.items()) / size if size else 0.0


def matrix_product_rate(device: str, repeats: int = 5) -> float:
    """Floating-point operations a second of a square product of float32, with the threads that decoding has."""
    side = MATRIX[device]
    left, right = torch.randn(2, side, side, device=device)
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        left @ right
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return 2 * side**3 / median(times[1:])  # the first wakes threads and libraries
