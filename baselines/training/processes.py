"""What the processes of one training share: ranks, a value of process 0, means, and a barrier.

Where torch.distributed is not initialised, this process is the only one.
"""

from __future__ import annotations

import torch
from torch import distributed


def is_distributed() -> bool:
    """Whether several processes train."""
    return distributed.is_available() and distributed.is_initialized()


def rank() -> int:
    """The number of this process, from 0; process 0 writes."""
    return distributed.get_rank() if is_distributed() else 0


def world_size() -> int:
    """How many processes train."""
    return distributed.get_world_size() if is_distributed() else 1


def broadcast(value: float) -> float:
    """Process 0's value, in all processes."""
    if not is_distributed():
        return value
    shared = torch.tensor([value], dtype=torch.float64)  # on the CPU: gloo carries it without waiting for a GPU
    distributed.broadcast(shared, src=0)
    return float(shared[0])


def mean(values: torch.Tensor) -> torch.Tensor:
    """The mean of the processes' values, on the CPU; called by all of them."""
    values = values.cpu()
    if is_distributed():
        distributed.all_reduce(values)
        values /= world_size()
    return values


def barrier() -> None:
    """Wait until all processes have reached this call."""
    if is_distributed():
        distributed.all_reduce(torch.zeros(1))
