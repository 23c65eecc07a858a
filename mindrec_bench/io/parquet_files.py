"""Parquet files, by paths of any bytes: pyarrow takes only those that are UTF-8."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open a Parquet file for reading.

    Raises:
        OSError: the file can't be read.
        pyarrow.ArrowException: it is no Parquet file.
    """
    import pyarrow.parquet as pq

    if _is_utf8(path):
        return pq.ParquetFile(path)
    return pq.ParquetFile(path.open("rb"), pre_buffer=False)


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write a compressed Parquet file.

    Raises:
        OSError: the file can't be written.
    """
    import pyarrow.parquet as pq

    with path.open("wb") as file:
        pq.write_table(table, file, compression="zstd")


def _is_utf8(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
