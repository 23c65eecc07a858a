"""Files of histories for `mrbench recommend --histories FILE`: JSON, CSV or Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import DataError, UsageError
from ..io.atomic import explain_read_errors
from ..io.json_files import read_object


def read_histories(path: Path) -> dict[str, list[str]]:
    """Read the histories in a file.

    Args:
        path: `.json`, an object of lists: `{"anna": ["item", "item"]}`; or `.csv` or `.parquet` with the columns `user`
            and `item`, one row per item. The latest item of a user is the last.

    Returns:
        User -> own ids of the items, the latest last.

    Raises:
        UsageError: there is no such file, or it is of another kind.
        DataError: it can't be read, or lacks a column.
    """
    with explain_read_errors(path):
        if not path.is_file():
            raise UsageError(f"there is no file {path}; check the path")
    if path.suffix == ".json":
        return _read_json(path)
    if path.suffix in (".csv", ".parquet"):
        return _read_table(path)
    raise UsageError(f"{path} is neither .json nor .csv nor .parquet; write the histories as one of them")


def _read_json(path: Path) -> dict[str, list[str]]:
    histories: dict[str, list[str]] = {}
    for user, items in read_object(path).items():
        if not isinstance(items, list) or not {*map(type, items)} <= {int, str}:
            raise DataError(f'\'{user}\' in {path} must have a list of item ids, like ["a7", "b2"]; correct it')
        histories[user] = [str(item) for item in items]
    return histories


def _read_table(path: Path) -> dict[str, list[str]]:
    import pyarrow as pa
    from pyarrow import csv
    from pyarrow import parquet as pq

    try:
        if path.suffix == ".parquet":
            table = pq.ParquetFile(path).read()
        else:
            texts = csv.ConvertOptions(
                column_types={"user": pa.string(), "item": pa.string()}, strings_can_be_null=False
            )
            table = csv.read_csv(path, convert_options=texts)
        missing = [name for name in ("user", "item") if name not in table.column_names]
        if missing:
            raise DataError(f"{path} has no column {' and no column '.join(missing)}; it needs user and item")
        columns: list[list[Any]] = [table[name].cast(pa.string()).to_pylist() for name in ("user", "item")]
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} can't be read as {path.suffix[1:]} ({reason}); check the file") from error
    histories: dict[str, list[str]] = {}
    for row, (user, item) in enumerate(zip(*columns, strict=True), start=1):
        if user is None or item is None:
            raise DataError(f"row {row} of {path} has no {'user' if user is None else 'item'}; add it")
        histories.setdefault(user, []).append(item)
    return histories
