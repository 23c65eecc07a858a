"""A lock file beside a folder, so that one process at a time works on it."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import MrbenchError
from .atomic import explain_write_errors

logger = logging.getLogger(__name__)


@contextmanager
def folder_lock(folder: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lock `<folder>.lock`; the system releases it when this process ends, however it ends.

    Args:
        folder: what to lock; it need not exist yet.
        wait: where another process holds the lock, wait for it and log that, instead of raising.

    Raises:
        MrbenchError: another process holds the lock and `wait` is false (the message names it), or the lock file can't
            be written.
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
                    f"{folder} is being computed by {_read_holder(holder)}; wait for it, or leave out --no-wait"
                ) from None
            logger.info(f"{folder} is being computed by {_read_holder(holder)}; waiting for it")
            lock.acquire()
    try:
        with explain_write_errors(holder):
            holder.write_text(f"process {os.getpid()} on {socket.gethostname()}\n", encoding="utf-8")
        yield
    finally:
        with suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


def _read_holder(path: Path) -> str:
    """The process that holds the lock; it may not have written its name yet."""
    try:
        return path.read_text(encoding="utf-8").strip() or "another process"
    except OSError:
        return "another process"
