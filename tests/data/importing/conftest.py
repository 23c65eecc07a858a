"""Import small files, and read what was imported."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mindrec_bench.data.importing.importer import ImportOptions, import_dataset


class Imported(NamedTuple):
    """An imported data folder.

    Attributes:
        folder: the folder.
        report: what the import says.
        sequences: own user id -> own item ids, in time order.
        texts: own item id -> its fields.
        times: own user id -> times; empty where there are none.
    """

    folder: Path
    report: dict[str, Any]
    sequences: dict[str, list[str]]
    texts: dict[str, dict[str, str]]
    times: dict[str, list[int]]


def read_folder(folder: Path, report: dict[str, Any]) -> Imported:
    name = folder.name
    users, items = (
        pq.ParquetFile((folder / f"{name}.{kind}.parquet").open("rb")).read()["own_id"].to_pylist()
        for kind in ("users", "items")
    )
    numbers = json.loads((folder / f"{name}.inter.json").read_text())
    entries = (folder / f"{name}.item.json").read_text() if report["items_file"] else "{}"
    texts = {items[int(number)]: entry for number, entry in json.loads(entries).items()}
    times: dict[str, list[int]] = {}
    if (folder / f"{name}.times.parquet").is_file():
        table = pq.ParquetFile((folder / f"{name}.times.parquet").open("rb")).read()
        assert table.schema.types == [pa.int64(), pa.int64()]
        assert table["user"].to_pylist() == [int(user) for user, row in numbers.items() for _ in row]
        for user, time in zip(table["user"].to_pylist(), table["time"].to_pylist(), strict=True):
            times.setdefault(users[user], []).append(time)
    sequences = {users[int(user)]: [items[item] for item in row] for user, row in numbers.items()}
    return Imported(folder, report, sequences, texts, times)


@pytest.fixture
def import_content(tmp_path: Path) -> Callable[..., Imported]:
    """import_content(interactions, items=None, **options): import files of this content, without a k-core filter."""

    def run(content: bytes | str, items: bytes | str | None = None, **options: Any) -> Imported:
        paths = []
        for name, text in (("source", content), ("items", items)):
            if text is not None:
                paths.append(tmp_path / name)
                paths[-1].write_bytes(text if isinstance(text, bytes) else text.encode())
        values = {"core": 0, "items": paths[1] if items is not None else None, "replace": True, **options}
        return read_folder(*import_dataset(ImportOptions(paths[0], "n", **values), data_dir=tmp_path / "data"))

    return run


def parquet(**columns: Any) -> bytes:
    """The content of a Parquet file."""
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()
