"""Hashes of large files, each computed once: they are kept in the user's cache, by path, size and time of change."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path

import platformdirs

from ..errors import MrbenchError
from .atomic import write_json
from .hashing import sha256


def cached_sha256(path: Path) -> str:
    """SHA-256 of all bytes of a file, in hex; read from the cache where the file has not changed since.

    Raises:
        OSError: the file can't be read.
    """
    path = path.resolve()
    status = path.stat()
    entry = {"path": str(path), "size": status.st_size, "mtime_ns": status.st_mtime_ns, "inode": status.st_ino}
    name = hashlib.sha256(str(path).encode(errors="surrogatepass")).hexdigest()[:32]
    kept = Path(platformdirs.user_cache_dir("mindrec-bench")) / "hashes" / f"{name}.json"
    with suppress(OSError, ValueError, TypeError, AttributeError):  # not kept yet, or damaged
        content = json.loads(kept.read_bytes())
        digest = content.pop("sha256")
        if content == entry and isinstance(digest, str):
            return digest
    digest = sha256(path)
    with suppress(MrbenchError):  # a cache that can't be written only costs time
        write_json(kept, {**entry, "sha256": digest})
    return digest
