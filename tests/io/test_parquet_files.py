"""Parquet files at any path."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest

from mindrec_bench.io.parquet_files import open_parquet, write_parquet


@pytest.mark.parametrize("name", [b"plain", b"caf\xe9", "é".encode()])
def test_names_of_any_bytes(tmp_path: Path, name: bytes) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    table = pa.table({"id": [1, 2]})
    write_parquet(table, path)
    assert open_parquet(path).read().equals(table)
