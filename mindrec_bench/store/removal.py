"""Delete from a run store: runs that a user names, and what no run needs (`mrbench runs rm` and `clean`)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from ..errors import MrbenchError
from ..io.atomic import explain_write_errors, remove_folder, remove_path
from ..io.locks import HOLDER, LOCK, LockedError, folder_lock
from .entries import folder_bytes, read_spec
from .models import REPORT
from .run_folder import SHARDS
from .run_spec import FIT
from .runs import SPEC, SUMMARY, OtherVersionError, holds, read_run, run_folders

_ID = re.compile("[0-9a-f]{12}")


@dataclass(frozen=True)
class Leftover:
    """Something in a run store that no run needs.

    Attributes:
        path: a file or a folder.
        kind: a `fitted model` that no run was decoded with; an `unfinished training` that no run waits for; the
            `shards` of a finished run, which a killed process left; the `lock` of what is gone; or an `empty folder`.
        bytes: its size.
    """

    path: Path
    kind: Literal["fitted model", "unfinished training", "shards", "lock", "empty folder"]
    bytes: int


def remove_run(folder: Path) -> None:
    """Delete a run folder; its fitted model stays, since other runs may share it.

    Raises:
        MrbenchError: another process computes the run, or it can't be deleted.
    """
    _remove_unlocked(folder, SUMMARY, "the run")


def find_leftovers(root: Path) -> list[Leftover]:
    """What no run of a run store needs, by path.

    A model is needed where any run folder has its id, finished or not. Where the spec of a run can't be read, or a
    process computes a run that has none yet, all models of its data and backbone are kept.

    Raises:
        DataError: a folder can't be read: what is in it may need what would be deleted.
    """
    needed: set[Path] = set()
    unknown: set[Path] = set()
    shards: list[Path] = []
    runs = run_folders(root, SPEC, SUMMARY)
    for folder in runs:
        spec = read_spec(folder)
        its_models = folder.parents[1] / FIT
        if spec:
            needed.add(its_models / spec.fit.id)
        else:
            unknown.add(its_models)
        if (folder / SHARDS).exists() and not _is_locked(folder) and _is_done(folder):
            shards.append(folder / SHARDS)
    locks = [path for suffix in (LOCK, HOLDER) for path in root.glob(f"*/*/*/*{suffix}") if path.is_file()]
    locks = [path for path in locks if _ID.fullmatch(path.stem)]
    started = {path.with_suffix("") for path in locks if path.parent.name != FIT} - {*runs}
    unknown |= {folder.parents[1] / FIT for folder in started if _is_locked(folder)}
    models = [path for path in root.glob(f"*/*/{FIT}/*") if path.is_dir() and _ID.fullmatch(path.name)]
    unneeded = [path for path in models if path not in needed and path.parent not in unknown and not _is_locked(path)]
    leftovers = [
        Leftover(path, "fitted model" if holds(path, REPORT) else "unfinished training", folder_bytes(path))
        for path in unneeded
    ]
    leftovers += [Leftover(path, "shards", folder_bytes(path)) for path in shards]
    folders = [path for pattern in ("*/*/*", "*/*/*/*") for path in root.glob(pattern) if path.is_dir()]
    empty = [path for path in folders if not any(path.iterdir()) and not _is_locked(path)]
    kept = {*folders} - {*empty}
    free = [path for path in locks if path.with_suffix("") not in kept and not _is_locked(path.with_suffix(""))]
    leftovers += [Leftover(path, "lock", path.stat().st_size) for path in free]
    leftovers += [Leftover(path, "empty folder", 0) for path in empty if path not in unneeded]
    return sorted(leftovers, key=lambda leftover: leftover.path)


def remove_leftovers(leftovers: Sequence[Leftover], root: Path) -> None:
    """Delete what `find_leftovers` found and no run needs still, and the folders that are empty then.

    Raises:
        MrbenchError: another process trains a model meanwhile, or something can't be deleted.
        DataError: as of `find_leftovers`.
    """
    still = {leftover.path for leftover in find_leftovers(root)}  # a run may have begun while the user was asked
    for leftover in leftovers:
        if leftover.path not in still:
            continue
        path = leftover.path
        with explain_write_errors(path):
            if leftover.kind in ("fitted model", "unfinished training"):
                _remove_unlocked(path, REPORT, "the fitted model")
            elif leftover.kind == "shards":
                _remove_shards(path)
            elif leftover.kind == "lock":
                _remove_lock(path.with_suffix(""))
            elif path.is_dir():
                path.rmdir()
        _remove_empty_parents(path, root)


def _remove_shards(shards: Path) -> None:
    """Delete the shards of a run, unless a process computes it anew by now."""
    folder = shards.parent
    with suppress(LockedError), folder_lock(folder, wait=False):
        if _is_done(folder):
            remove_path(shards)


def _is_done(folder: Path) -> bool:
    """Whether a run is finished and whole, so that its shards are not needed to compute it again."""
    try:
        return read_run(folder, verify=True, warn=False) is not None
    except OtherVersionError:
        return False


def _remove_unlocked(folder: Path, manifest: str, what: str) -> None:
    """Delete a folder and its lock, unless a process works on it."""
    try:
        with folder_lock(folder, wait=False):
            remove_folder(folder, first=manifest)
    except LockedError as error:
        raise MrbenchError(f"{what} {folder} is being computed by {error.holder}; end that process first") from None
    _remove_lock(folder)
    _remove_empty_parents(folder, folder.parents[3])


def _remove_lock(folder: Path) -> None:
    """Delete the files of a lock while it is held, so that nobody else can think to hold it."""
    with suppress(LockedError), folder_lock(folder, wait=False):
        Path(f"{folder}{LOCK}").unlink(missing_ok=True)


def _remove_empty_parents(path: Path, root: Path) -> None:
    """Delete the folders above a path that are empty, up to the run store."""
    for parent in path.parents:
        if parent == root or root not in parent.parents or (parent.is_dir() and any(parent.iterdir())):
            return
        with suppress(OSError):  # another process may have put something there, or removed it too
            parent.rmdir()


def _is_locked(folder: Path) -> bool:
    """Whether a process holds the lock of a folder, or its lock can't be tried."""
    path = Path(f"{folder}{LOCK}")
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except (Timeout, OSError):
        return True
