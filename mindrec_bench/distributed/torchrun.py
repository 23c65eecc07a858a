"""Processes that torchrun started, on one machine or several: process 0 leads, the others do the jobs it orders.

Orders and arrivals go through the store that torchrun's processes share; they need one run store on a shared file
system besides. When a process dies, torchrun ends the others.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .processes import TIMEOUT, VARIABLES, ProcessInfo, WorkerContext, noop

if TYPE_CHECKING:
    from torch.distributed import Store

Do = Callable[..., Any]
"""(name of a job, seat, arguments) -> its result."""


def process_from_env() -> ProcessInfo | None:
    """This process's place as torchrun's environment variables say; None where it is alone."""
    asked = (*VARIABLES, "MASTER_ADDR", "MASTER_PORT")
    if not all(name in os.environ for name in asked) or int(os.environ["WORLD_SIZE"]) < 2:
        return None
    return ProcessInfo(*(int(os.environ[name]) for name in VARIABLES))


def is_first() -> bool:
    """Whether this process prints the result: it is alone, or process 0."""
    place = process_from_env()
    return place is None or place.rank == 0


@dataclass(eq=False)
class TorchrunGroup:
    """All processes that torchrun started.

    Attributes:
        place: which of them this one is.
        store: what they share.
    """

    place: ProcessInfo
    store: Store
    _orders: int = 0

    @classmethod
    def meet(cls, place: ProcessInfo) -> TorchrunGroup:
        """Find the others."""
        from torch.distributed import rendezvous

        store, _, _ = next(rendezvous("env://", place.rank, place.size, timeout=TIMEOUT))
        return cls(place, store)

    def each(
        self, do: Do, job: str, size: int, arguments: tuple[Any, ...], *, progress: Callable[[int], object]
    ) -> Any:
        """Lead: have a job done by all processes, or with a size of 1 by this one alone, and return its result here.

        Raises:
            UsageError: it asks for another number of processes.
        """
        if size not in (1, self.place.size):
            raise UsageError(
                f"training by {size} processes was asked for, and torchrun started {self.place.size}; "
                f"start {size}, or give --train-devices 1 or {self.place.size}"
            )
        self._order({"job": job, "size": size, "arguments": arguments})
        return self._do(do, job, size, arguments, progress)

    def dismiss(self) -> None:
        """Lead: there are no more jobs."""
        self._order(None)
        self._gather()

    def follow(self, do: Do) -> None:
        """Follow: do what process 0 orders until it dismisses."""
        while (order := json.loads(self.store.get(f"mrbench/order/{self._orders}"))) is not None:
            self._do(do, order["job"], order["size"], tuple(order["arguments"]), noop)
        self._gather()

    def _order(self, order: dict[str, Any] | None) -> None:
        self.store.set(f"mrbench/order/{self._orders}", json.dumps(order))

    def _do(self, do: Do, job: str, size: int, arguments: tuple[Any, ...], progress: Callable[[int], object]) -> Any:
        from torch.distributed import PrefixStore

        result = None
        if size == self.place.size:
            store = PrefixStore(f"mrbench/job/{self._orders}", self.store)
            result = do(job, WorkerContext(self.place, store, progress), *arguments)
        elif self.place.rank == 0:
            result = do(job, WorkerContext(progress=progress), *arguments)
        self._gather()
        return result

    def _gather(self) -> None:
        """Wait until all have come here."""
        here = f"mrbench/met/{self._orders}"
        self._orders += 1
        if self.store.add(f"{here}/count", 1) == self.place.size:
            self.store.set(here, "")
        self.store.wait([here], TIMEOUT)
