"""Start worker processes on this machine, monitor them, and end them together.

Workers are started with `spawn`, each with a pipe to its parent, through which it sends progress, messages and its
result. A worker that dies closes its pipe, and so does a parent that dies, so neither waits for the other forever.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from ..errors import MrbenchError
from .processes import TIMEOUT, ProcessInfo, WorkerContext, blocked_interrupts

CONTINUES = "the same command continues from what is done"


class WorkerFunction(Protocol):
    """A module-level function, since a worker imports it by its name."""

    def __call__(self, worker: WorkerContext, /, *arguments: Any) -> Any:
        """Run in one process; the result of the process with rank 0 is returned to the parent."""
        ...


@dataclass(frozen=True)
class _Worker:
    rank: int
    process: Any
    pipe: Connection


def launch(
    function: WorkerFunction,
    size: int,
    arguments: tuple[Any, ...],
    *,
    progress: Callable[[int], object],
) -> Any:
    """Call a function in `size` new processes and return the result of rank 0; none of them outlives the call.

    What rank 0 logs is logged here, under the same names; what the others log is discarded.

    Args:
        function: called in each process.
        size: the number of processes.
        arguments: passed on after the `WorkerContext`; they are pickled.
        progress: gets the numbers of users decoded.

    Raises:
        MrbenchError: a process failed with that error, or died.
    """
    import torch
    from torch.distributed import TCPStore

    context = multiprocessing.get_context("spawn")
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False) if size > 1 else None
    workers: list[_Worker] = []
    try:
        for rank in range(size):
            parent_pipe, worker_pipe = context.Pipe()
            info = ProcessInfo(rank, size, rank, size)
            port = store.port if store else None
            settings = (function, info, port, torch.get_num_threads(), worker_pipe, _levels(), arguments)
            process = context.Process(target=_worker_main, args=settings, name=f"mrbench-{rank}")
            with blocked_interrupts():
                process.start()
            worker_pipe.close()
            workers.append(_Worker(rank, process, parent_pipe))
        result = _monitor(workers, {"log": _log_again, "progress": progress})
        for worker in workers:
            worker.process.join(timeout=10)
        return result
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()


def _monitor(workers: list[_Worker], handlers: dict[str, Callable[[Any], object]]) -> Any:
    """Handle the workers' messages until all have finished; the first failure is raised."""
    open_pipes = {worker.pipe: worker for worker in workers}
    result = None
    while open_pipes:
        for pipe in wait(list(open_pipes)):
            worker = open_pipes[pipe]  # type: ignore[index]
            try:
                kind, value = worker.pipe.recv()
            except (EOFError, OSError):
                raise _death_error(worker, len(workers)) from None
            if kind == "failed":
                raise value if isinstance(value, MrbenchError) else _failure_error(value, worker, workers)
            if kind != "done":
                handlers[kind](value)
                continue
            del open_pipes[worker.pipe]
            result = value if worker.rank == 0 else result
    return result


def _death_error(worker: _Worker, size: int) -> MrbenchError:
    worker.process.join(timeout=10)
    worker.process.kill()  # for one that closed its pipe and goes on
    worker.process.join()
    code = worker.process.exitcode
    how = f"ended with exit code {code}"
    if code < 0:
        how = f"was killed by signal {-code}"
        if -code == getattr(signal, "SIGKILL", None):
            how += ", as the system does when memory runs out"
    return MrbenchError(f"process {worker.rank} of {size} {how}; {CONTINUES}")


def _failure_error(trace: str, worker: _Worker, workers: list[_Worker]) -> MrbenchError:
    """The error to show; where another worker died, the failed one has only lost its connection to it."""
    sentinels = {other.process.sentinel: other for other in workers if other is not worker}
    for sentinel in wait(list(sentinels), timeout=2):
        if sentinels[sentinel].process.exitcode:  # type: ignore[index]
            return _death_error(sentinels[sentinel], len(workers))  # type: ignore[index]
    reason = trace.strip().splitlines()[-1]
    error = MrbenchError(f"process {worker.rank} of {len(workers)} failed ({reason}); {CONTINUES}")
    error.add_note(trace)
    return error


def _worker_main(
    function: WorkerFunction,
    info: ProcessInfo,
    port: int | None,
    threads: int,
    pipe: Connection,
    levels: dict[str, int],
    arguments: tuple[Any, ...],
) -> None:
    """Worker entry point."""
    lock = threading.Lock()

    def send(kind: str, value: Any) -> None:
        with lock:  # any thread may log
            pipe.send((kind, value))

    _start_logging(info.rank, send, levels)
    threading.Thread(target=_exit_with_parent, args=(pipe,), daemon=True).start()
    import torch
    from torch.distributed import TCPStore
    from tqdm import tqdm

    tqdm.set_lock(threading.RLock())  # the default lock is shared by processes, and reported as leaked after a kill
    # As many threads as a single process would use: the last bits of sums depend on the number.
    torch.set_num_threads(threads)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    try:
        store = None if port is None else TCPStore("127.0.0.1", port, is_master=False, timeout=TIMEOUT)
        worker = WorkerContext(info, store, progress=partial(send, "progress"))
        send("done", function(worker, *arguments))
    except MrbenchError as error:
        error.add_note(traceback.format_exc())
        send("failed", error)
    except BaseException:
        send("failed", traceback.format_exc())


def _levels() -> dict[str, int]:
    """The levels that this process has set, by the names of loggers; '' is the root."""
    known = logging.root.manager.loggerDict.items()
    levels = {name: logger.level for name, logger in known if isinstance(logger, logging.Logger) and logger.level}
    return levels | {"": logging.root.level}


def _start_logging(rank: int, send: Callable[[str, Any], None], levels: dict[str, int]) -> None:
    """Send what rank 0 logs to the parent, with its levels; discard what the others log, who would only repeat it."""
    if rank > 0:
        logging.root.addHandler(logging.NullHandler())
        return
    logging.root.addHandler(_SendingHandler(send))
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


class _SendingHandler(logging.Handler):
    """Sends records to the parent: name, level and text."""

    def __init__(self, send: Callable[[str, Any], None]) -> None:
        super().__init__()
        self.send = send

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        try:
            self.send("log", (record.name, record.levelno, self.format(record)))
        except Exception:
            self.handleError(record)


def _log_again(record: tuple[str, int, str]) -> None:
    """Log in this process what `_SendingHandler` sent."""
    name, level, text = record
    logging.getLogger(name).log(level, text)


def _exit_with_parent(pipe: Connection) -> None:
    """Block until the parent closes its end of the pipe, then end this process."""
    try:
        pipe.recv()
    except (EOFError, OSError):
        os._exit(1)
