"""When the interactions of a data folder happened: `<Name>.times.parquet`, beside the interactions.

One row per interaction, with the columns `user` and `time` (int64); the rows of a user are in the order of the user's
sequence. The metadata of the file may name the `unit` since 1970 (s, ms, us or ns); else the magnitude tells it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..core.code_space import Int
from ..core.dataset import Times
from ..core.holdout import UNITS, guess_unit
from ..errors import DataError

_UNIT = b"unit"


def times_file(folder: Path, name: str) -> Path:
    """The file of times of a data folder, which need not exist."""
    return folder / f"{name}.times.parquet"


def write_times(folder: Path, name: str, users: Int, times: Int, *, unit: str | None = None) -> None:
    """Write the times of all interactions.

    Args:
        folder: the data folder.
        name: that its files carry.
        users: the user of each interaction, sorted. Shape: (interactions,)
        times: in the order of the sequences. Shape: (interactions,)
        unit: of `UNITS`; None leaves it to the magnitude.

    Raises:
        OSError: the file can't be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"user": pa.array(users, pa.int64()), "time": pa.array(times, pa.int64())})
    table = table.replace_schema_metadata({_UNIT: unit} if unit else None)
    pq.write_table(table, times_file(folder, name), compression="zstd")


def read_times(folder: Path, name: str, users: Int, offsets: Int) -> Times | None:
    """Read the times of some users' interactions; None where the folder has none.

    Args:
        folder: the data folder.
        name: that its files carry.
        users: user ids in rising order. Shape: (U,)
        offsets: as in `Dataset`. Shape: (U + 1,)

    Raises:
        DataError: the file is broken, has another number of times for a user than there are interactions, or the times
            of a user fall.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = times_file(folder, name)
    if not path.is_file():
        return None
    try:
        table = pq.ParquetFile(path).read(["user", "time"])
        user, time = (table[column].cast(pa.int64()).to_numpy() for column in ("user", "time"))
        unit = ((table.schema.metadata or {}).get(_UNIT) or b"").decode()
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{path}, the times of the interactions, can't be read ({reason}); import the data again"
        ) from (error)
    selected = np.isin(user, users)
    user, time = user[selected], time[selected]
    order = np.argsort(user, kind="stable")
    user, time = user[order], time[order]
    lengths = np.diff(offsets)
    counts = np.bincount(np.searchsorted(users, user), minlength=len(users))
    if (counts != lengths).any():
        row = int((counts != lengths).argmax())
        raise DataError(
            f"{path} has {counts[row]:,} times for user {users[row]}, who has {lengths[row]:,} interactions; "
            "import the data again"
        )
    falls = np.zeros(len(time), dtype=bool)
    falls[1:] = (time[1:] < time[:-1]) & (user[1:] == user[:-1])
    if falls.any():
        raise DataError(
            f"the times of user {user[falls.argmax()]} in {path} fall, so they are not those of this order; "
            "import the data again"
        )
    return Times(time, unit if unit in UNITS else guess_unit(time))
