"""The processes that share a run: which one this is, how they are connected, and the interface that runs functions.

A *worker function* is what several processes do together, such as training a model. Each process calls it with its own
`WorkerContext`. The process with rank 0 of a run, the coordinator, starts it through a `ProcessGroup`.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch.distributed import Store

TIMEOUT = timedelta(days=30)
"""How long processes wait for each other. One may train for weeks, and one that dies ends the run in other ways."""

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
"""The environment variables that torchrun sets and `accelerate` reads, in the order of `ProcessInfo`."""


@dataclass(frozen=True)
class ProcessInfo:
    """Which of the processes that share a run this one is.

    `accelerate.PartialState` is not used: making it starts torch.distributed, and rank 0 of several may train alone.

    Attributes:
        rank: from 0; the process with rank 0 writes everything that is written once.
        size: the number of processes.
        local_rank, local_size: the same among the processes of this machine; a process uses the GPU `local_rank`.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    def select_gpu(self, device: str) -> None:
        """Make `cuda` mean this process's GPU."""
        if device == "cuda":
            import torch

            torch.cuda.set_device(self.local_rank)


def noop(_: object) -> None:
    """Discard the number."""


@contextmanager
def blocked_interrupts() -> Iterator[None]:
    """Hold back SIGINT for the block, and for good in the processes that it starts."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """Watch the process that started this one with `multiprocessing`, and end when it does, however it does."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_after, args=(parent.sentinel,), daemon=True).start()


def _exit_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


@contextmanager
def silent() -> Iterator[None]:
    """Discard what is logged in the block, except errors."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.WARNING))
    try:
        yield
    finally:
        logging.disable(before)


@dataclass(frozen=True)
class WorkerContext:
    """What a worker function knows about the process that it runs in.

    Attributes:
        process: which process it is.
        store: the key-value store that connects the processes; None where there is only one.
        progress: gets the numbers of users decoded since its last call.
    """

    process: ProcessInfo = field(default_factory=ProcessInfo)
    store: Store | None = None
    progress: Callable[[int], object] = noop

    @contextmanager
    def torch_distributed(self) -> Iterator[None]:
        """Initialise torch.distributed for the block: gloo between CPUs, NCCL between GPUs.

        Without a store it stays uninitialised, and torchrun's environment variables are hidden: the one process that
        runs the function must not wait for the others.
        """
        import torch
        from torch import distributed

        process = self.process
        if self.store is None:
            with _environment({}):
                yield
            return
        values = (process.rank, process.size, process.local_rank, process.local_size)
        with _environment(dict(zip(VARIABLES, map(str, values), strict=True))):
            backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
            distributed.init_process_group(
                backend, store=self.store, rank=process.rank, world_size=process.size, timeout=TIMEOUT
            )
            yield
            # Skipped after an error: the other processes would lose the connection before the reason is reported.
            distributed.destroy_process_group()


class ProcessGroup(Protocol):
    """Runs worker functions, which it knows by name, for the coordinator of a run."""

    @property
    def size(self) -> int:
        """How many processes decode."""
        ...

    def run(
        self,
        function: str,
        size: int,
        arguments: tuple[Any, ...] = (),
        *,
        progress: Callable[[int], object] = noop,
    ) -> Any:
        """Call a worker function in `size` processes and return the result of the process with rank 0.

        Args:
            function: its name.
            size: 1, `self.size`, or any number where the group starts its own processes.
            arguments: passed on after the `WorkerContext`.
            progress: gets the numbers of users decoded.

        Raises:
            MrbenchError: a process failed with that error, or died.
            UsageError: the group can't have that many processes.
        """
        ...


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set the environment variables `VARIABLES` to these values for the block, and unset the others."""
    before = {name: os.environ.pop(name) for name in VARIABLES if name in os.environ}
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            os.environ.pop(name, None)
        os.environ.update(before)
