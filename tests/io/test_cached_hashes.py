"""Hashes that are computed once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mindrec_bench.io import cached_hashes
from mindrec_bench.io.hashing import sha256


def test_a_hash_is_computed_once_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    computed = []
    monkeypatch.setattr(cached_hashes, "sha256", lambda path: (computed.append(path), sha256(path))[1])
    file = tmp_path / "weights"
    file.write_bytes(b"a" * 100)
    assert cached_hashes.cached_sha256(file) == cached_hashes.cached_sha256(file) == sha256(file)
    assert len(computed) == 1
    file.write_bytes(b"a" * 50 + b"b" + b"a" * 49)
    os.utime(file, ns=(0, 7))
    assert cached_hashes.cached_sha256(file) == sha256(file)
    for kept in (tmp_path / "cache").rglob("*.json"):
        kept.write_text("{")
    assert cached_hashes.cached_sha256(file) == sha256(file)
    assert len(computed) == 3
