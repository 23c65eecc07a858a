"""The ids that users and items had in the files that a data folder was imported from.

Inside the project users and items are numbered; what comes in and goes out (`score`, `export`, samples) has these ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..core.code_space import Int
from ..core.dataset import ExternalIds
from ..errors import DataError

USERS, ITEMS = "users", "items"


def map_path(folder: Path, name: str, kind: str) -> Path:
    """Where the ids of `users` or `items` are: a Parquet file with the columns id (int64) and own_id (text)."""
    return folder / f"{name}.{kind}.parquet"


def read_external_ids(folder: Path, name: str, users: Int, item_ids: Sequence[str]) -> ExternalIds | None:
    """Read the own ids of some users and items; None for a folder that was not imported.

    Raises:
        DataError: one of the two files is broken, or lacks an id.
    """
    paths = [map_path(folder, name, kind) for kind in (USERS, ITEMS)]
    if not any(path.is_file() for path in paths):
        return None
    wanted = ([str(user) for user in users.tolist()], item_ids)
    return ExternalIds(*(_read(path, ids) for path, ids in zip(paths, wanted, strict=True)))


def _read(path: Path, ids: Sequence[str]) -> tuple[str, ...]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read(["id", "own_id"])
        own = dict(zip(table["id"].cast(pa.string()).to_pylist(), table["own_id"].to_pylist(), strict=True))
    except (OSError, KeyError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}, the map to your own ids, can't be read ({reason}); import the data again") from error
    missing = next((text for text in ids if text not in own), None)
    if missing is not None:
        raise DataError(f"{path} gives no own id for {missing}; import the data again")
    return tuple(own[text] for text in ids)
