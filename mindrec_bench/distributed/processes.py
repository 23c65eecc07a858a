"""Which of several processes one is, and how those that train together are connected."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.distributed import Store

TIMEOUT = timedelta(days=30)
"""How long processes wait for each other: one that dies ends the run in other ways, and one may train for weeks."""

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
"""What torchrun sets and `accelerate` reads, in the order of `ProcessInfo`."""


@dataclass(frozen=True)
class ProcessInfo:
    """Which of the processes that share a job this one is.

    Attributes:
        rank: from 0; process 0 writes what there is one of.
        size: how many there are.
        local, local_size: the same on this machine alone; process `local` takes GPU `local`.
    """

    rank: int = 0
    size: int = 1
    local: int = 0
    local_size: int = 1

    def take_gpu(self, device: str) -> None:
        """Make `cuda` mean this process's GPU."""
        if device == "cuda":
            import torch

            torch.cuda.set_device(self.local)


def noop(_: object) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class WorkerContext:
    """A process's part in a job.

    Attributes:
        place: which process it is.
        store: where the processes meet; None where there is only one.
        progress: gets numbers of users decoded.
    """

    place: ProcessInfo = field(default_factory=ProcessInfo)
    store: Store | None = None
    progress: Callable[[int], object] = noop

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Inside, torch.distributed connects the job's processes, gloo between CPUs and NCCL between GPUs.

        One process is alone there, also where torchrun started several.
        """
        import torch
        from torch import distributed

        place = self.place
        if self.store is None:
            with _variables({}):
                yield
            return
        values = (place.rank, place.size, place.local, place.local_size)
        with _variables(dict(zip(VARIABLES, map(str, values), strict=True))):
            backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
            distributed.init_process_group(
                backend, store=self.store, rank=place.rank, world_size=place.size, timeout=TIMEOUT
            )
            yield
            # Not when something failed: others would see the connection break before anybody hears the reason.
            distributed.destroy_process_group()


@contextmanager
def _variables(values: dict[str, str]) -> Iterator[None]:
    """Set `VARIABLES` to these values, or none of them."""
    before = {name: os.environ.pop(name) for name in VARIABLES if name in os.environ}
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            os.environ.pop(name, None)
        os.environ.update(before)
