"""External ids, as written and as read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mindrec_bench.core.dataset import ExternalIds
from mindrec_bench.data.external_ids import Kind, id_file, read_external_ids, write_external_ids
from mindrec_bench.errors import DataError


def write(folder: Path, kind: Kind, **columns: Any) -> None:
    pq.write_table(pa.table(columns), id_file(folder, "Shop", kind))


def test_ids_come_in_the_order_of_the_dataset(tmp_path: Path) -> None:
    assert read_external_ids(tmp_path, "Shop", np.array([0]), ["0"]) is None
    write(tmp_path, "users", id=[0, 1, 2], own_id=["ann", "bob", "cid"])
    write(tmp_path, "items", id=[0, 1], own_id=["007", "7"])
    external_ids = read_external_ids(tmp_path, "Shop", np.array([2, 0]), ["1", "0"])
    assert external_ids is not None
    assert (external_ids.users, external_ids.items) == (("cid", "ann"), ("7", "007"))
    assert isinstance(external_ids, ExternalIds)
    with pytest.raises(DataError, match=r"Shop\.items\.parquet has no external id for 2; import the data again"):
        read_external_ids(tmp_path, "Shop", np.array([0]), ["0", "2"])


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_external_ids(tmp_path, "Shop", "users", ["ann", "bob"])
    write_external_ids(tmp_path, "Shop", "items", ["007"])
    external_ids = read_external_ids(tmp_path, "Shop", np.array([0, 1]), ["0"])
    assert external_ids is not None
    assert (external_ids.users, external_ids.items) == (("ann", "bob"), ("007",))


def test_broken_files(tmp_path: Path) -> None:
    write(tmp_path, "users", id=[0], own_id=["ann"])
    with pytest.raises(DataError, match=r"Shop\.items\.parquet, the map to your own ids, can't be read"):
        read_external_ids(tmp_path, "Shop", np.array([0]), ["0"])
    write(tmp_path, "items", id=[0], name=["x"])
    with pytest.raises(DataError, match=r"Shop\.items\.parquet, the map to your own ids, can't be read"):
        read_external_ids(tmp_path, "Shop", np.array([0]), ["0"])
