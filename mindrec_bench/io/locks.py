"""One process at a time works on a run or a fitted model: a lock file beside its folder."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import MrbenchError
from .atomic import Notify, explain_write_errors


@contextmanager
def hold(folder: Path, *, wait: bool, notify: Notify) -> Iterator[None]:
    """Hold the lock `<folder>.lock`; the system frees it when this process ends, however it ends.

    Args:
        folder: what to lock; it need not exist yet.
        wait: wait for another process that holds it, with a notice, and not raise.
        notify: gets the notice.

    Raises:
        MrbenchError: another process holds it and `wait` is false (the message says which), or it can't be written.
    """
    lock = FileLock(f"{folder}.lock")
    holder = folder.with_name(f"{folder.name}.holder")
    with explain_write_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if not wait:
                raise MrbenchError(
                    f"{folder} is being computed by {_who(holder)}; wait for it, or leave out --no-wait"
                ) from None
            notify(f"{folder} is being computed by {_who(holder)}; waiting for it")
            lock.acquire()
    try:
        with explain_write_errors(holder):
            holder.write_text(f"process {os.getpid()} on {socket.gethostname()}\n", encoding="utf-8")
        yield
    finally:
        with suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


def _who(holder: Path) -> str:
    """The process that wrote its name last; it may have no time to do so yet."""
    try:
        return holder.read_text(encoding="utf-8").strip() or "another process"
    except OSError:
        return "another process"
