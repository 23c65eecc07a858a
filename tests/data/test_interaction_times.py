"""The times of interactions, in a file of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mindrec_bench.data.interaction_times import count_ties, read_times, write_times
from mindrec_bench.errors import DataError

USERS, TIMES = np.array([0, 0, 0, 1, 1]), np.array([5, 5, 7, 1, 1])
LENGTHS = [(0, 3), (1, 2)]


@pytest.mark.parametrize(("unit", "per_second"), [("s", 1), ("ns", 10**9), (None, None)])
def test_what_is_written_is_read(tmp_path: Path, unit: str | None, per_second: int | None) -> None:
    parts = [(USERS[:3], TIMES[:3]), (USERS[3:], TIMES[3:])]
    write_times(tmp_path, "shop", parts, unit)  # type: ignore[arg-type]
    times = read_times(tmp_path, "shop", LENGTHS)
    assert times is not None
    assert (times.users.tolist(), times.times.tolist(), times.unit) == (USERS.tolist(), TIMES.tolist(), unit)
    assert times.units_per_second() == per_second
    schema = pq.read_schema(tmp_path / "shop.times.parquet")
    assert (schema.names, schema.types) == (["user", "time"], [pa.int64(), pa.int64()])
    assert schema.metadata[b"unit"] == (unit or "").encode()


def test_a_folder_without_times(tmp_path: Path) -> None:
    assert read_times(tmp_path, "shop", LENGTHS) is None


@pytest.mark.parametrize("lengths", [[(0, 3)], [(0, 2), (1, 3)], [(1, 3), (0, 2)], [(0, 3), (1, 3)]])
def test_times_of_other_sequences_are_refused(tmp_path: Path, lengths: list[tuple[int, int]]) -> None:
    write_times(tmp_path, "shop", [(USERS, TIMES)], "s")
    with pytest.raises(DataError, match=r"does not have one row for each interaction of shop\.inter\.json"):
        read_times(tmp_path, "shop", lengths)


def test_broken_files_are_refused(tmp_path: Path) -> None:
    write_times(tmp_path, "shop", [(USERS, -TIMES)], "s")
    with pytest.raises(DataError, match=r"the times of user 0 in .* go back"):
        read_times(tmp_path, "shop", LENGTHS)
    path = tmp_path / "shop.times.parquet"
    pq.write_table(pa.table({"user": [1]}), path)
    with pytest.raises(DataError, match="the times of the interactions, can't be read"):
        read_times(tmp_path, "shop", LENGTHS)
    path.write_bytes(b"PAR1")
    with pytest.raises(DataError, match="the times of the interactions, can't be read"):
        read_times(tmp_path, "shop", LENGTHS)


def test_ties() -> None:
    ties = count_ties(USERS, TIMES)
    assert (ties.interactions, ties.targets) == (4, 1)
    assert count_ties(USERS[:0], TIMES[:0]).interactions == 0
