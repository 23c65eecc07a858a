"""The times of interactions: `<Name>.times.parquet`, one row per interaction, in the order of the sequences.

Columns `user` (int64) and `time` (int64). The metadata of the schema has `unit`: s, ms, us or ns since 1970 in UTC, or
nothing, where the times are numbers that can only be ordered.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..core.code_space import Int
from ..errors import DataError
from ..io.parquet_files import open_parquet

Unit = Literal["s", "ms", "us", "ns"]

UNITS: dict[int, tuple[Unit, str]] = {
    0: ("s", "seconds"),
    3: ("ms", "milliseconds"),
    6: ("us", "microseconds"),
    9: ("ns", "nanoseconds"),
}
"""Decimal digits below the second -> the unit, and its name in messages."""


@dataclass(frozen=True, eq=False)
class InteractionTimes:
    """Times of a data folder's interactions.

    Attributes:
        users: user of each interaction, in the order of the sequences. Shape: (interactions,)
        times: when it was. Shape: (interactions,)
        unit: see the module; None for numbers that can only be ordered.
    """

    users: Int
    times: Int
    unit: Unit | None

    def units_per_second(self) -> int | None:
        """How many units of the times make a second; None where they have no unit."""
        return next((10**digits for digits, (unit, _) in UNITS.items() if unit == self.unit), None)


@dataclass(frozen=True)
class Ties:
    """Interactions at the same time as another one of their user.

    Attributes:
        interactions: how many there are.
        targets: users whose last interaction, the test target, is one of them.
    """

    interactions: int
    targets: int


def times_file(folder: Path, name: str) -> Path:
    """Where a data folder keeps the times of its interactions."""
    return folder / f"{name}.times.parquet"


def write_times(folder: Path, name: str, users: Iterable[tuple[Int, Int]], unit: Unit | None) -> None:
    """Write the times.

    Args:
        folder: the data folder.
        name: the name that its files carry.
        users: the users and times of consecutive interactions, a part after the other.
        unit: see the module.

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
        for part, times in users:
            writer.write_table(pa.table([pa.array(part, pa.int64()), pa.array(times, pa.int64())], schema=schema))


def read_times(folder: Path, name: str, lengths: Iterable[tuple[int, int]]) -> InteractionTimes | None:
    """Read the times; None for a folder without them.

    Args:
        folder: the data folder.
        name: the name that its files carry.
        lengths: user and number of interactions, in the order of the file of sequences.

    Raises:
        DataError: the file is broken, does not belong to these sequences, or a user's times go back.
    """
    import pyarrow as pa

    path = times_file(folder, name)
    if not path.is_file():
        return None
    try:
        table = open_parquet(path).read(["user", "time"])
        users, times = (table[column].cast(pa.int64()).to_numpy() for column in ("user", "time"))
        unit = (table.schema.metadata or {}).get(b"unit", b"").decode()
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}, the times of the interactions, can't be read ({reason}); import it again") from error
    pairs = np.array(list(lengths), dtype=np.int64).reshape(-1, 2)
    if len(users) != pairs[:, 1].sum() or (users != np.repeat(pairs[:, 0], pairs[:, 1])).any():
        raise DataError(
            f"{path} does not have one row for each interaction of {name}.inter.json, in its order; import the data "
            "again, or remove the file"
        )
    back = np.flatnonzero((users[1:] == users[:-1]) & (times[1:] < times[:-1]))
    if len(back):
        raise DataError(f"the times of user {users[back[0]]} in {path} go back; import the data again")
    known = next((known for known, _ in UNITS.values() if known == unit), None)
    return InteractionTimes(users, times, known)


def count_ties(users: NDArray[np.integer], times: NDArray[np.integer]) -> Ties:
    """Count ties.

    Args:
        users: sorted. Shape: (interactions,)
        times: sorted within a user. Shape: (interactions,)
    """
    tied = tied_interactions(users, times)
    last = np.ones(len(users), dtype=bool)
    last[:-1] = users[1:] != users[:-1]
    return Ties(int(tied.sum()), int((tied & last).sum()))


def tied_interactions(users: NDArray[np.integer], times: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Which interactions are at the time of another one of their user; arguments as of `count_ties`. Shape: (n,)"""
    same = (users[1:] == users[:-1]) & (times[1:] == times[:-1])
    tied = np.zeros(len(users), dtype=bool)
    tied[1:] |= same
    tied[:-1] |= same
    return tied
