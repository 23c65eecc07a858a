"""Hidden work folders, in which a new folder is made before it takes its place, whole.

`<parent>/.<name>.<kind>` is the work folder of `<parent>/<name>`. One process at a time holds it. What a killed process
left in it is removed by the next one, which first puts back a folder that was being replaced.
"""

from __future__ import annotations

import ctypes
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .atomic import explain_write_errors
from .locks import LOCK, folder_lock

logger = logging.getLogger(__name__)

_LOCK_NAME = "lock"
_REPLACED = "replaced"
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def work_folder_path(target: Path, kind: str) -> Path:
    """The work folder of a folder."""
    return target.with_name(f".{target.name}.{kind}")


@contextmanager
def hold_work_folder(target: Path, kind: str, *, keep: str | None = None, option: str = "--data-dir") -> Iterator[Path]:
    """Hold the work folder of `target`, after any other process; it is removed at the end.

    Args:
        target: the folder that is to be made.
        kind: what for, which is part of the work folder's name.
        keep: a pattern; the work folder stays while it holds files that match, and its content is kept for the holder.
        option: the command-line option that chooses another folder, for messages.

    Raises:
        MrbenchError: the folder can't be written.
    """
    work = work_folder_path(target, kind)
    with explain_write_errors(work, option):
        target.parent.mkdir(parents=True, exist_ok=True)
    with folder_lock(work / _LOCK_NAME, wait=True, label=str(target), option=option):
        _restore(work, target)
        if keep is None:
            _clear(work)
        try:
            yield work
        finally:
            if keep is None or not any(work.glob(keep)):
                _remove(work)


def move_into_place(folder: Path, target: Path, work: Path) -> None:
    """Give a whole folder its final name, in place of a folder that has it.

    A kill leaves the old or the new one there; where the system can't exchange two folders at once, it may leave none,
    and the next holder of the work folder puts the old one back.

    Raises:
        OSError: it can't be renamed.
    """
    if not target.exists():
        os.rename(folder, target)
        return
    if _exchange(folder, target):
        return
    replaced = work / _REPLACED
    os.rename(target, replaced)
    try:
        os.rename(folder, target)
    except BaseException:
        os.rename(replaced, target)
        raise


@contextmanager
def _free_work_folder(work: Path) -> Iterator[None]:
    """Hold a work folder; `filelock.Timeout`, an `OSError`, where another process does."""
    from filelock import FileLock  # listings start without it

    with FileLock(f"{work / _LOCK_NAME}{LOCK}", timeout=0):
        yield


def restore_folder(target: Path, kind: str) -> None:
    """Put back a folder that a killed process was replacing, unless a process is replacing it now."""
    work = work_folder_path(target, kind)
    if target.exists() or not (work / _REPLACED).is_dir():
        return
    with suppress(OSError), _free_work_folder(work):
        _restore(work, target)


def remove_leftovers(parent: Path, kind: str) -> None:
    """Remove the work folders in a folder that no process holds, and put back what was being replaced."""
    for work in parent.glob(f".*.{kind}") if parent.is_dir() else ():
        target = parent / work.name[1 : -len(kind) - 1]
        with suppress(OSError), _free_work_folder(work):
            _restore(work, target)
            _remove(work)


def _restore(work: Path, target: Path) -> None:
    replaced = work / _REPLACED
    if replaced.is_dir() and not target.exists():
        os.rename(replaced, target)
        logger.warning(f"{target} was being replaced when a process was killed; the old one is back")


def _remove(work: Path) -> None:
    """Remove a work folder that is held; the lock file last, since who waits for it starts anew when it is gone."""
    _clear(work)
    for file in work.iterdir() if work.is_dir() else ():
        file.unlink(missing_ok=True)
    with suppress(OSError):
        work.rmdir()


def _clear(work: Path) -> None:
    """Remove all but the files of the lock."""
    for entry in work.iterdir() if work.is_dir() else ():
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        elif not entry.name.startswith(f"{_LOCK_NAME}."):
            entry.unlink(missing_ok=True)


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two folders at once; false where the system can't."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    done: int = rename(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE)
    return done == 0
