"""Manifests: the JSON file that marks a folder as finished and lists the hashes of the files in it."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from .atomic import explain_read_errors, explain_write_errors, write_json
from .hashing import canonical_json, sha256, to_jsonable

logger = logging.getLogger(__name__)


def write_manifest(path: Path, content: dict[str, Any], files: Iterable[Path]) -> dict[str, Any]:
    """Mark a folder as finished by a JSON file.

    Args:
        path: the JSON file, in that folder.
        content: of the JSON file. It is written with two more keys: `files`, the SHA-256 of each file by its path
            inside the folder, and `checksum`, that of the content itself.
        files: the files of the folder.

    Returns:
        What `read_manifest` will read.

    Raises:
        MrbenchError: as in `atomic_write`.
    """
    with explain_write_errors(path):
        digests = {file.relative_to(path.parent).as_posix(): sha256(file) for file in sorted(files)}
    manifest = to_jsonable({**content, "files": digests})
    write_json(path, manifest | {"checksum": _checksum(manifest)})
    return dict(manifest)


def read_manifest(path: Path, *, check: Collection[str] | None, warn: bool = True) -> dict[str, Any] | None:
    """Read what `write_manifest` wrote, without its checksum; None where the folder is unfinished or damaged.

    Damage is a wrong hash or a missing file. A file that can't be read may be whole, and is not damage.

    Args:
        path: the JSON file.
        check: the listed files to check as well; None: all of them.
        warn: log the name of the damaged file.

    Raises:
        DataError: a file can't be read: because of its permissions, say, or of the disk.
    """
    with explain_read_errors(path):
        if not path.exists():
            return None
        content = _read_whole(path, check)
    if isinstance(content, dict):
        return content
    if warn:
        logger.warning(f"{content} is damaged or missing; the result in its folder counts as not computed")
    return None


def damaged_file(path: Path, *, check: Collection[str] | None) -> Path | None:
    """The first file that is damaged or missing, the manifest itself included; None where all are whole.

    Args:
        path, check: as in `read_manifest`.

    Raises:
        DataError: a file can't be read.
    """
    with explain_read_errors(path):
        content = _read_whole(path, check)
    return None if isinstance(content, dict) else content


def _read_whole(path: Path, check: Collection[str] | None) -> dict[str, Any] | Path:
    """The content of a manifest, or the file that is damaged or missing."""
    if not path.is_file():
        return path
    try:
        content = json.loads(path.read_bytes().decode(errors="surrogatepass"))
        if content.pop("checksum") != _checksum(content):
            return path
        files = content["files"]
        digests = {name: files[name] for name in (files if check is None else check)}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return path  # truncated or overwritten: the same as a wrong checksum
    return _first_damaged(path.parent, digests) or dict(content)


Stamp = tuple[int, int] | None
"""Tells one manifest from a later one at the same path; None: there is none."""


def manifest_stamp(path: Path) -> Stamp:
    """The stamp of a manifest."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino


def _checksum(content: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json(content).encode(errors="surrogatepass")).hexdigest()


def _first_damaged(folder: Path, digests: dict[str, str]) -> Path | None:
    """The first listed file that is missing or has other content."""
    for name, digest in digests.items():
        if not (folder / name).is_file() or sha256(folder / name) != digest:
            return folder / name
    return None
