"""Manifests: the JSON file that marks a folder as finished and lists the hashes of the files in it."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from .atomic import explain_write_errors, write_json
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

    Args:
        path: the JSON file.
        check: the listed files to check as well; None: all of them.
        warn: log the name of the damaged file.
    """
    if not path.exists():
        return None
    damaged: Path | None = path
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("checksum") == _checksum(content):
            files = content["files"]
            damaged = _first_damaged(path.parent, {name: files[name] for name in (files if check is None else check)})
            if damaged is None:
                return dict(content)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        pass  # truncated or overwritten: the same as a wrong checksum
    if warn:
        logger.warning(f"{damaged} is damaged or missing; the result in its folder counts as not computed")
    return None


def _checksum(content: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def _first_damaged(folder: Path, digests: dict[str, str]) -> Path | None:
    """The first listed file that is missing or has other content."""
    for name, digest in digests.items():
        if not (folder / name).is_file() or sha256(folder / name) != digest:
            return folder / name
    return None
