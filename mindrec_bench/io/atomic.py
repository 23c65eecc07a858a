"""Atomic writes, after which a file is complete or absent, and the removal of finished folders."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import DataError, MrbenchError, UsageError
from .hashing import to_jsonable

TEMPORARY = ".tmp"
"""The suffix of files that are not complete yet."""


@contextmanager
def explain_write_errors(path: Path, option: str = "--runs-dir") -> Iterator[None]:
    """Turn an `OSError` of the block into an error that says what to do.

    Args:
        path: what the block writes.
        option: the command-line option that chooses another folder.

    Raises:
        MrbenchError: the disk is full, or `path` can't be written or is a folder.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise MrbenchError(
                f"the disk is full, so {path} could not be written; free some space and repeat the command, "
                "which continues from what is done"
            ) from error
        if isinstance(error, IsADirectoryError):
            raise MrbenchError(f"can't write {path}: there is a folder in its place; remove it") from error
        raise MrbenchError(
            f"can't write {path}: {error.strerror or error}; choose a folder that can be written with {option}"
        ) from error


@contextmanager
def explain_read_errors(path: Path) -> Iterator[None]:
    """Turn an `OSError` of a block that reads stored files into an error; what can't be read is left as it is.

    Args:
        path: what the block reads.

    Raises:
        DataError: names the file and the reason.
        UsageError: the path is too long for the file system, so that nothing can be there.
    """
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise UsageError(f"the path {path} is too long for this file system; give a shorter one") from error
        raise DataError(
            f"can't read {error.filename or path} ({error.strerror or error}); check its permissions and its disk; "
            "nothing was changed"
        ) from error


@contextmanager
def atomic_path(path: Path, *, option: str = "--runs-dir") -> Iterator[Path]:
    """A temporary path for the block to write to; afterwards it is flushed to disk and renamed into place.

    Args:
        path: the final path; its folder is created where it is missing.
        option: as in `explain_write_errors`.

    Raises:
        MrbenchError: the disk is full or the folder can't be written; nothing is left behind.
    """
    with explain_write_errors(path, option):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(
            f".{path.name}{TEMPORARY}"
        )  # a fixed name: what a killed process left is overwritten
        try:
            temporary.unlink(missing_ok=True)
            temporary.touch()
            mode = temporary.stat().st_mode
            yield temporary
            os.chmod(temporary, mode)  # what the umask says; safetensors writes files that only their owner can read
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
            sync_folder(path.parent)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


def atomic_write(path: Path, write: Callable[[BinaryIO], object], *, option: str = "--runs-dir") -> None:
    """Write a file that is complete or absent; see `atomic_path`.

    Args:
        path: the final path.
        write: writes the content to the open file.
        option: as in `explain_write_errors`.

    Raises:
        MrbenchError: the disk is full or the folder can't be written; nothing is left behind.
    """
    with atomic_path(path, option=option) as temporary, open(temporary, "wb") as file:
        write(file)


def sync_folder(folder: Path) -> None:
    """Flush a rename to disk; some systems can't sync a folder, which only costs durability."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON atomically; inf and nan, which JSON lacks, become null.

    Raises:
        MrbenchError: as in `atomic_write`.
    """
    text = json.dumps(to_jsonable(value), indent=2, ensure_ascii=False) + "\n"
    atomic_write(path, lambda file: file.write(text.encode(errors="surrogatepass")))


def remove_path(path: Path) -> None:
    """Delete a file, or a folder with all that is in it; it may be missing.

    Raises:
        OSError: it can't be deleted.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_folder(folder: Path, *, first: str) -> None:
    """Delete a folder, its manifest first, so that a kill in between leaves nothing that looks finished.

    Args:
        folder: may be missing.
        first: the name of the manifest.

    Raises:
        MrbenchError: it can't be deleted.
    """
    with explain_write_errors(folder):
        if folder.is_dir():
            remove_path(folder / first)
        remove_path(folder)
