"""A lock file beside a folder, so that one process at a time works on it."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import MrbenchError
from .atomic import explain_write_errors

if TYPE_CHECKING:  # commands that hold no lock start without it
    from filelock import FileLock

logger = logging.getLogger(__name__)

LOCK = ".lock"
"""The suffix of lock files."""

HOLDER = ".holder"
"""The suffix of the files that name the process that holds a lock."""

_RETRIES = 1000


class LockedError(MrbenchError):
    """Another process holds a lock.

    Attributes:
        holder: that process, in words.
    """

    def __init__(self, label: str, holder: str) -> None:
        super().__init__(f"{label} is being computed by {holder}; wait for it, or leave out --no-wait")
        self.holder = holder


@contextmanager
def folder_lock(folder: Path, *, wait: bool, label: str | None = None, option: str = "--runs-dir") -> Iterator[None]:
    """Hold the lock `<folder>.lock`; the system releases it when this process ends, however it ends.

    Args:
        folder: what to lock; it need not exist yet.
        wait: where another process holds the lock, wait for it and log that, instead of raising.
        label: what messages call what is being made; None: the folder.
        option: the command-line option that chooses another folder, for messages.

    Raises:
        LockedError: another process holds the lock and `wait` is false; the message names it.
        MrbenchError: the lock file can't be written.
    """
    holder = Path(f"{folder}{HOLDER}")
    with explain_write_errors(folder, option):
        lock = _acquire(folder, holder, label or str(folder), wait=wait)
    try:
        with explain_write_errors(holder, option):
            holder.write_text(f"process {os.getpid()} on {socket.gethostname()}\n", encoding="utf-8")
        yield
    finally:
        with suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


def _acquire(folder: Path, holder: Path, label: str, *, wait: bool) -> FileLock:
    """Acquire the lock, on the file that now has its name: the last holder may have removed the one waited for."""
    from filelock import FileLock, Timeout

    path, waiting = Path(f"{folder}{LOCK}"), False
    for _ in range(_RETRIES):
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            try:
                lock.acquire(timeout=0)
            except Timeout:
                if not wait:
                    raise LockedError(label, _read_holder(holder)) from None
                if not waiting:
                    logger.info(f"{label} is being computed by {_read_holder(holder)}; waiting for it")
                waiting = True
                lock.acquire()
            descriptor = getattr(getattr(lock, "_context", None), "lock_file_fd", None)
            if descriptor is None or os.path.samestat(os.fstat(descriptor), path.stat()):
                return lock
            lock.release()
        except FileNotFoundError:  # the last holder removed the folder meanwhile
            lock.release(force=True)
    raise MrbenchError(f"the lock {path} is removed whenever it is taken; check what else works in its folder")


def _read_holder(path: Path) -> str:
    """The process that holds the lock; it may not have written its name yet."""
    try:
        return path.read_text(encoding="utf-8").strip() or "another process"
    except OSError:
        return "another process"
