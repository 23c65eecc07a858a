"""Manifests: the JSON file that marks a folder as finished and holds the hash of every file in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .atomic import Notify, explain_write_errors, write_json
from .hashing import canonical_json, sha256, to_jsonable


def write_manifest(path: Path, content: dict[str, Any], files: Iterable[Path]) -> dict[str, Any]:
    """Write `content` as the JSON file that marks its folder as finished.

    It also gets `files`, the SHA-256 of each of these files by its path inside the folder, and `checksum`, its own.

    Returns:
        What was written.

    Raises:
        MrbenchError: as `atomic_write`.
    """
    with explain_write_errors(path):
        digests = {file.relative_to(path.parent).as_posix(): sha256(file) for file in sorted(files)}
    sealed = to_jsonable({**content, "files": digests})
    sealed["checksum"] = _checksum(sealed)
    write_json(path, sealed)
    return sealed


def read_manifest(path: Path, *, verify: bool, notify: Notify) -> dict[str, Any] | None:
    """Read what `write_manifest` wrote; None where the folder is not finished or damaged.

    Damage is reported by a notice that names the file.

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
    return hashlib.sha256(canonical_json(rest).encode()).hexdigest()


def _broken(folder: Path, digests: dict[str, str]) -> Path | None:
    """The first sealed file that is missing or has other content."""
    for name, digest in digests.items():
        if not (folder / name).is_file() or sha256(folder / name) != digest:
            return folder / name
    return None
