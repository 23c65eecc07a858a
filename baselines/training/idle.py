"""Whether a GPU is idle during training, so that more examples in a step would cost almost nothing.

At `small` a step of 128 examples is hundreds of kernels that are too short to fill a GPU. How idle it is shows in what
twice the examples take.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor

from .batches import Batch

FREE_RATIO = 1.25
"""A step of twice the examples is almost free if it takes at most this many times as long: 1.6 times the examples a
second."""

REPEATS = 3


def doubling_ratio(step: Callable[[Batch], Tensor], batch: Batch, twice: Batch, clock: Callable[[], float]) -> float:
    """How many times as long a step takes with twice the examples.

    Args:
        step: computes what a training step does, and changes nothing.
        batch: of one step.
        twice: of twice the examples.
        clock: the seconds, after all that was asked of the device.
    """
    return _seconds(step, twice, clock) / _seconds(step, batch, clock)


def _seconds(step: Callable[[Batch], Tensor], batch: Batch, clock: Callable[[], float]) -> float:
    """The median of a few steps, after two in which graphs are captured."""
    times = []
    for _ in range(2 + REPEATS):
        start = clock()
        step(batch)
        times.append(clock() - start)
    return median(times[2:])


def idle_notice(ratio: float, batch: int) -> str | None:
    """One sentence for the user where twice the examples are almost free; else None.

    Args:
        ratio: from `doubling_ratio`.
        batch: examples per step.
    """
    if ratio > FREE_RATIO:
        return None
    return (
        f"this GPU is mostly idle: {2 * batch} examples a step take {ratio:.2f} times as long as {batch}, so the "
        f"model's option batch={2 * batch} trains faster (it gives another model, and may need another lr)"
    )


def gpu_clock() -> float:
    """Seconds, once the current GPU stream is done."""
    torch.cuda.current_stream().synchronize()
    return time.perf_counter()
