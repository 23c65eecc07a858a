"""Several processes do a job on this machine: starting them, watching them, and ending them together.

Workers are started anew (`spawn`), each with a pipe to the process that started them. Over it they tell of progress,
and what came out; a worker that dies closes it, and so does a parent that dies, so neither waits for the other forever.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from ..errors import MrbenchError
from .processes import TIMEOUT, ProcessInfo, WorkerContext

AGAIN = "the same command continues from what is done"


class Job(Protocol):
    """What a worker does: a function of a module, since it is found by its name."""

    def __call__(self, seat: WorkerContext, notify: Callable[[str], None], /, *arguments: Any) -> Any:
        """`notify` gets lines for the user. The result of process 0 is handed on."""
        ...


@dataclass(frozen=True)
class _Worker:
    rank: int
    process: Any
    pipe: Connection


def launch(
    job: Job,
    size: int,
    arguments: tuple[Any, ...],
    *,
    notify: Callable[[str], None],
    progress: Callable[[int], object],
) -> Any:
    """Run a job in `size` new processes and return the result of process 0; none of them outlives the call.

    Args:
        job: what each does.
        size: how many.
        arguments: what they get; it is pickled.
        notify: gets their lines.
        progress: gets their numbers of users.

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
            ours, theirs = context.Pipe()
            place = ProcessInfo(rank, size, rank, size)
            settings = (job, place, store.port if store else None, torch.get_num_threads(), theirs, arguments)
            process = context.Process(target=_work, args=settings, name=f"mrbench-{rank}")
            process.start()
            theirs.close()
            workers.append(_Worker(rank, process, ours))
        result = _watch(workers, {"notify": notify, "progress": progress})
        for worker in workers:
            worker.process.join(timeout=10)
        return result
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()


def _watch(workers: list[_Worker], heard: dict[str, Callable[[Any], object]]) -> Any:
    """Listen until all are done; the first that fails ends it."""
    speaking = {worker.pipe: worker for worker in workers}
    result = None
    while speaking:
        for pipe in wait(list(speaking)):
            worker = speaking[pipe]  # type: ignore[index]
            try:
                kind, value = worker.pipe.recv()
            except (EOFError, OSError):
                raise _died(worker, len(workers)) from None
            if kind == "failed":
                raise value if isinstance(value, MrbenchError) else _unexpected(value, worker, workers)
            if kind != "done":
                heard[kind](value)
                continue
            del speaking[worker.pipe]
            result = value if worker.rank == 0 else result
    return result


def _died(worker: _Worker, size: int) -> MrbenchError:
    worker.process.join(timeout=10)
    worker.process.kill()  # it hung up and stays: it is of no use any more
    worker.process.join()
    code = worker.process.exitcode
    how = f"ended with exit code {code}"
    if code < 0:
        how = f"was killed by signal {-code}"
        if -code == getattr(signal, "SIGKILL", None):
            how += ", as the system does when memory runs out"
    return MrbenchError(f"process {worker.rank} of {size} {how}; {AGAIN}")


def _unexpected(trace: str, worker: _Worker, workers: list[_Worker]) -> MrbenchError:
    """A failed worker may only have lost its connection to one that died: then that one is the reason."""
    sentinels = {other.process.sentinel: other for other in workers if other is not worker}
    for sentinel in wait(list(sentinels), timeout=2):
        if sentinels[sentinel].process.exitcode:  # type: ignore[index]
            return _died(sentinels[sentinel], len(workers))  # type: ignore[index]
    reason = trace.strip().splitlines()[-1]
    error = MrbenchError(f"process {worker.rank} of {len(workers)} failed ({reason}); {AGAIN}")
    error.add_note(trace)
    return error


def _work(
    job: Job, place: ProcessInfo, port: int | None, threads: int, pipe: Connection, arguments: tuple[Any, ...]
) -> None:
    """The life of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which then ends its workers
    threading.Thread(target=_end_with_parent, args=(pipe,), daemon=True).start()
    import torch
    from torch.distributed import TCPStore
    from tqdm import tqdm

    tqdm.set_lock(threading.RLock())  # its own would be shared by processes, and reported as lost when one is killed
    # As many threads as one process would have: sums may come out otherwise with another number.
    torch.set_num_threads(threads)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    try:
        store = None if port is None else TCPStore("127.0.0.1", port, is_master=False, timeout=TIMEOUT)
        seat = WorkerContext(place, store, progress=lambda users: pipe.send(("progress", users)))
        pipe.send(("done", job(seat, lambda line: pipe.send(("notify", line)), *arguments)))
    except MrbenchError as error:
        error.add_note(traceback.format_exc())
        pipe.send(("failed", error))
    except BaseException:
        pipe.send(("failed", traceback.format_exc()))


def _end_with_parent(pipe: Connection) -> None:
    try:
        pipe.recv()
    except (EOFError, OSError):
        os._exit(1)
