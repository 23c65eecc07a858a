"""Processes that torchrun started, on one or several machines: rank 0 coordinates, the others run what it asks for.

Calls and barriers go through the key-value store that torchrun's processes share; the processes also need one run store
on a shared file system. When a process dies, torchrun ends the others.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .processes import TIMEOUT, VARIABLES, ProcessInfo, WorkerContext, noop, silent

if TYPE_CHECKING:
    from torch.distributed import Store


def process_from_env() -> ProcessInfo | None:
    """Which process this is by torchrun's environment variables; None where it is the only one."""
    required = (*VARIABLES, "MASTER_ADDR", "MASTER_PORT")
    if not all(name in os.environ for name in required) or int(os.environ["WORLD_SIZE"]) < 2:
        return None
    return ProcessInfo(*(int(os.environ[name]) for name in VARIABLES))


def is_main_process() -> bool:
    """Whether this process prints the result: it is the only one, or has rank 0."""
    process = process_from_env()
    return process is None or process.rank == 0


@contextmanager
def only_main_process_speaks() -> Iterator[None]:
    """Discard what the other processes log in the block, since all say the same."""
    with nullcontext() if is_main_process() else silent():
        yield


@dataclass(eq=False)
class TorchrunGroup:
    """All processes that torchrun started; a `ProcessGroup` in the process with rank 0.

    Attributes:
        process: which of them this one is.
        store: the key-value store that they share.
        functions: the worker functions by name, bound to what this process has read.
    """

    process: ProcessInfo
    store: Store
    functions: Mapping[str, Callable[..., Any]]
    _calls: int = 0

    @classmethod
    def connect(cls, process: ProcessInfo, functions: Mapping[str, Callable[..., Any]]) -> TorchrunGroup:
        """Connect to the other processes."""
        from torch.distributed import rendezvous

        store, _, _ = next(rendezvous("env://", process.rank, process.size, timeout=TIMEOUT))
        return cls(process, store, functions)

    @property
    def size(self) -> int:
        """The number of processes that torchrun started."""
        return self.process.size

    def run(
        self,
        function: str,
        size: int,
        arguments: tuple[Any, ...] = (),
        *,
        progress: Callable[[int], object] = noop,
    ) -> Any:
        """See `ProcessGroup.run`; only rank 0 calls it, and the arguments go to the others as JSON.

        Raises:
            UsageError: the size is neither 1 nor the number of processes.
        """
        if size not in (1, self.size):
            raise UsageError(
                f"--train-devices is {size}, and torchrun started {self.size} processes; start {size}, or give "
                f"--train-devices 1 or {self.size}"
            )
        self._send({"function": function, "size": size, "arguments": arguments})
        return self._call(function, size, arguments, progress)

    def shutdown(self) -> None:
        """End `serve` in the other processes; only rank 0 calls it."""
        self._send(None)
        self._barrier()

    def serve(self) -> None:
        """Run what rank 0 asks for until it shuts the group down; all ranks but 0 call it."""
        while (call := json.loads(self.store.get(f"mrbench/call/{self._calls}"))) is not None:
            self._call(call["function"], call["size"], tuple(call["arguments"]), noop)
        self._barrier()

    def _send(self, call: dict[str, Any] | None) -> None:
        self.store.set(f"mrbench/call/{self._calls}", json.dumps(call))

    def _call(self, function: str, size: int, arguments: tuple[Any, ...], progress: Callable[[int], object]) -> Any:
        from torch.distributed import PrefixStore

        result = None
        if size == self.size:
            store = PrefixStore(f"mrbench/function/{self._calls}", self.store)
            result = self.functions[function](WorkerContext(self.process, store, progress), *arguments)
        elif self.process.rank == 0:
            result = self.functions[function](WorkerContext(progress=progress), *arguments)
        self._barrier()
        return result

    def _barrier(self) -> None:
        """Wait until all processes have called this."""
        key = f"mrbench/barrier/{self._calls}"
        self._calls += 1
        if self.store.add(f"{key}/count", 1) == self.size:
            self.store.set(key, "")
        self.store.wait([key], TIMEOUT)
