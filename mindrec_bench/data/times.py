"""The times of interactions, `<Name>.times.parquet` beside the sequences, and ties: interactions of a user at one time.

One row per interaction, with the columns `user` and `time` (int64); the rows of a user are in the order of the user's
sequence. The metadata of the schema has `unit`: s, ms, us or ns since 1970 in UTC; empty or missing where the times are
numbers that can only be ordered.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.code_space import Int
from ..core.times import UNITS, Times, Unit
from ..errors import DataError
from ..io.parquet_files import open_parquet


@dataclass(frozen=True)
class Ties:
    """Interactions at the same time as another one of their user.

    Attributes:
        interactions: how many there are.
        targets: how many of them are test targets.
    """

    interactions: int
    targets: int


def times_file(folder: Path, name: str) -> Path:
    """The file of times of a data folder, which need not exist."""
    return folder / f"{name}.times.parquet"


def write_times(folder: Path, name: str, parts: Iterable[tuple[Int, Int]], unit: Unit | None) -> None:
    """Write the times of all interactions.

    Args:
        folder: the data folder.
        name: that its files carry.
        parts: the users and times of consecutive interactions, a part after the other.
        unit: None for numbers that can only be ordered.

    Raises:
        OSError: the file can't be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [pa.field("user", pa.int64()), pa.field("time", pa.int64())]
    schema = pa.schema(columns, metadata={"unit": unit or ""})
    with (
        times_file(folder, name).open("wb") as file,
        pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=["user"]) as writer,
    ):
        for users, times in parts:
            writer.write_table(pa.table([pa.array(users, pa.int64()), pa.array(times, pa.int64())], schema=schema))


def read_times(folder: Path, name: str, users: Int, offsets: Int, *, all_users: bool = False) -> Times | None:
    """Read the times of some users' interactions; None where the folder has none.

    Args:
        folder: the data folder.
        name: that its files carry.
        users: user ids in rising order. Shape: (U,)
        offsets: as in `Dataset`. Shape: (U + 1,)
        all_users: these are all users of the folder, and the file must not have others.

    Raises:
        DataError: the file is broken, has another number of times for a user than there are interactions, or the times
            of a user fall.
    """
    path = times_file(folder, name)
    if not path.is_file():
        return None
    user, time, unit = _read_columns(path)
    selected = np.isin(user, users)
    if all_users and not selected.all():
        raise DataError(
            f"{path} has times for user {user[(~selected).argmax()]}, who has no interactions; import the data again, "
            "or remove the file"
        )
    user, time = user[selected], time[selected]
    order = np.argsort(user, kind="stable")
    user, time = user[order], time[order]
    lengths = np.diff(offsets)
    counts = np.bincount(np.searchsorted(users, user), minlength=len(users))
    if (counts != lengths).any():
        row = int((counts != lengths).argmax())
        raise DataError(
            f"{path} has {counts[row]:,} times for user {users[row]}, who has {lengths[row]:,} interactions; "
            "import the data again, or remove the file"
        )
    falls = np.flatnonzero((user[1:] == user[:-1]) & (time[1:] < time[:-1]))
    if len(falls):
        raise DataError(
            f"the times of user {user[falls[0]]} in {path} fall, so they are not those of this order; import the data "
            "again, or remove the file"
        )
    return Times(time, unit)


def _read_columns(path: Path) -> tuple[Int, Int, Unit | None]:
    """The users, the times and the unit."""
    import pyarrow as pa

    try:
        table = open_parquet(path).read(["user", "time"])
        columns = [table[column].cast(pa.int64()) for column in ("user", "time")]
        text = (table.schema.metadata or {}).get(b"unit", b"").decode()
        if any(column.null_count for column in columns):
            raise ValueError("a row lacks its user or time")
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{path}, the times of the interactions, can't be read ({reason}); import the data again, or remove the "
            "file"
        ) from error
    user, time = (column.to_numpy() for column in columns)
    return user, time, next((unit for unit in UNITS if unit == text), None)


def count_ties(users: NDArray[np.integer], times: NDArray[np.integer], test: Int | None = None) -> Ties:
    """Count ties.

    Args:
        users: sorted. Shape: (interactions,)
        times: sorted within a user. Shape: (interactions,)
        test: the places of the test targets; None for the last interaction of every user. Shape: (W,)
    """
    is_tied = tied(users, times)
    if test is None:
        test = np.flatnonzero(np.append(users[1:] != users[:-1], True)[: len(users)])
    return Ties(int(is_tied.sum()), int(is_tied[test].sum()))


def tied(users: NDArray[np.integer], times: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Which interactions are at the time of another one of their user; arguments as of `count_ties`. Shape: (n,)"""
    same = (users[1:] == users[:-1]) & (times[1:] == times[:-1])
    is_tied = np.zeros(len(users), dtype=bool)
    is_tied[1:] |= same
    is_tied[:-1] |= same
    return is_tied
