"""What the processes of one training agree on: who writes, what time it is, and waiting for each other.

Where torch.distributed is not initialised, this process is the only one.
"""

from __future__ import annotations

import torch
from torch import distributed


def joined() -> bool:
    """Whether several processes train."""
    return distributed.is_available() and distributed.is_initialized()


def rank() -> int:
    """The number of this process, from 0; process 0 writes."""
    return distributed.get_rank() if joined() else 0


def size() -> int:
    """How many processes train."""
    return distributed.get_world_size() if joined() else 1


def agreed(value: float) -> float:
    """Process 0's value, in all processes."""
    if not joined():
        return value
    shared = torch.tensor([value], dtype=torch.float64)  # on the CPU: gloo carries it without waiting for a GPU
    distributed.broadcast(shared, src=0)
    return float(shared[0])


def meet() -> None:
    """Wait until all processes have come here."""
    if joined():
        distributed.all_reduce(torch.zeros(1))
