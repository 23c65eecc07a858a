"""Files that are whole or not there: atomic writes, and seals that tell whether a finished folder is undamaged."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from .errors import MrbenchError
from .identity import canonical, plain

TEMPORARY = ".tmp"
"""Ending of files that are not whole yet."""

Notify = Callable[[str], None]


@contextmanager
def writing(path: Path, option: str = "--runs-dir") -> Iterator[None]:
    """Turn a failed write into one sentence.

    Args:
        path: what is written.
        option: of the command line, which chooses another folder.

    Raises:
        MrbenchError: the disk is full, or `path` can't be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise MrbenchError(
                f"the disk is full, so {path} could not be written; free some space and repeat the command, "
                "which continues from what is done"
            ) from error
        raise MrbenchError(
            f"can't write {path}: {error.strerror or error}; choose a folder that can be written with {option}"
        ) from error


def atomic_write(path: Path, write: Callable[[BinaryIO], object], *, option: str = "--runs-dir") -> None:
    """Write a file under a temporary name, bring it to the disk, and rename it into place.

    Args:
        path: the final name; its folder is made where it is missing.
        write: puts the content into the open file it is given.
        option: as `writing`.

    Raises:
        MrbenchError: the disk is full or the folder can't be written; nothing is left behind.
    """
    with writing(path, option):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}{TEMPORARY}")  # one name: what a killed process left is overwritten
        try:
            with open(temporary, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
            _sync_folder(path.parent)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


def _sync_folder(folder: Path) -> None:
    """Bring a rename to the disk; some systems can't sync a folder, which costs durability only."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON atomically; inf and nan, which JSON lacks, become null.

    Raises:
        MrbenchError: as `atomic_write`.
    """
    text = json.dumps(plain(value), indent=2, ensure_ascii=False) + "\n"
    atomic_write(path, lambda file: file.write(text.encode()))


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(path: Path, content: dict[str, Any], files: Iterable[Path]) -> dict[str, Any]:
    """Write `content` as the JSON file that marks its folder as finished.

    It also gets `files`, the SHA-256 of each of these files by its path inside the folder, and `checksum`, its own.

    Returns:
        What was written.

    Raises:
        MrbenchError: as `atomic_write`.
    """
    with writing(path):
        digests = {file.relative_to(path.parent).as_posix(): sha256(file) for file in sorted(files)}
    sealed = plain({**content, "files": digests})
    sealed["checksum"] = _checksum(sealed)
    write_json(path, sealed)
    return sealed


def read_seal(path: Path, *, verify: bool, notify: Notify) -> dict[str, Any] | None:
    """Read what `seal` wrote; None where the folder is not finished or, with a notice that names the file, damaged.

    Args:
        path: the JSON file.
        verify: check the sealed files as well, and not only the JSON file itself.
        notify: gets the notice.
    """
    if not path.exists():
        return None
    damaged = path
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["checksum"] == _checksum(content):
            broken = _broken(path.parent, content["files"]) if verify else None
            if broken is None:
                return content
            damaged = broken
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        pass  # cut short or overwritten: damaged like one with the wrong checksum
    notify(f"{damaged} is damaged or missing; what it belongs to counts as not done")
    return None


def _checksum(content: dict[str, Any]) -> str:
    rest = {key: value for key, value in content.items() if key != "checksum"}
    return hashlib.sha256(canonical(rest).encode()).hexdigest()


def _broken(folder: Path, digests: dict[str, str]) -> Path | None:
    """The first sealed file that is missing or has other content."""
    for name, digest in digests.items():
        if not (folder / name).is_file() or sha256(folder / name) != digest:
            return folder / name
    return None


def remove_folder(folder: Path, *, first: str) -> None:
    """Delete a folder, its mark of being finished first, so that a kill in between leaves nothing that looks whole.

    Args:
        folder: may be missing.
        first: the name of the file that marks it as finished.

    Raises:
        MrbenchError: it can't be deleted.
    """
    if folder.exists():
        with writing(folder):
            (folder / first).unlink(missing_ok=True)
            shutil.rmtree(folder)
