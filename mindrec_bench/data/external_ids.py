"""External ids: what users and items were called in the files that a data folder was imported from.

Inside the project users and items are numbers; input and output (`score`, `export`, samples) have external ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ..core.code_space import Int
from ..core.dataset import ExternalIds
from ..errors import DataError
from ..io.parquet_files import open_parquet, write_parquet

Kind = Literal["users", "items"]


def id_file(folder: Path, name: str, kind: Kind) -> Path:
    """The Parquet file with the external ids of users or items; columns `id` (int64) and `own_id` (string)."""
    return folder / f"{name}.{kind}.parquet"


def write_external_ids(folder: Path, name: str, kind: Kind, external_ids: Sequence[str]) -> None:
    """Write the external id of each number, counted from 0.

    Raises:
        OSError: the file can't be written.
    """
    import pyarrow as pa

    numbers = pa.array(range(len(external_ids)), pa.int64())
    table = pa.table({"id": numbers, "own_id": pa.array(external_ids, pa.string())})
    write_parquet(table, id_file(folder, name, kind))


def read_external_ids(folder: Path, name: str, users: Int, item_ids: Sequence[str]) -> ExternalIds | None:
    """Read the external ids of users and items; None for a folder that was not imported.

    Raises:
        DataError: one of the two files is broken, or lacks an id.
    """
    users_file, items_file = id_file(folder, name, "users"), id_file(folder, name, "items")
    if not users_file.is_file() and not items_file.is_file():
        return None
    return ExternalIds(_read(users_file, [str(user) for user in users.tolist()]), _read(items_file, item_ids))


def _read(path: Path, ids: Sequence[str]) -> tuple[str, ...]:
    import pyarrow as pa

    try:
        table = open_parquet(path).read(["id", "own_id"])
        external_ids = dict(zip(table["id"].cast(pa.string()).to_pylist(), table["own_id"].to_pylist(), strict=True))
    except (OSError, KeyError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}, the map to your own ids, can't be read ({reason}); import the data again") from error
    missing = next((id_ for id_ in ids if id_ not in external_ids), None)
    if missing is not None:
        raise DataError(f"{path} has no external id for {missing}; import the data again")
    return tuple(external_ids[id_] for id_ in ids)
