"""The file of times: what is written is read, in the order of the sequences, and must fit them. And ties, by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mindrec_bench.core.times import Unit
from mindrec_bench.data.folder import read_folder
from mindrec_bench.data.times import count_ties, read_times, tied, times_file, write_times
from mindrec_bench.errors import DataError

USERS = np.repeat([1, 3, 7, 12], [4, 4, 3, 2])
"""Of the interactions of the folder `Shop`; user 12 has too few."""

TIMES = np.array([1, 2, 2, 9, 5, 5, 6, 7, 0, 1, 2, 8, 9])

PARTS = [(USERS[:6], TIMES[:6]), (USERS[6:], TIMES[6:])]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns", None])
def test_what_is_written_is_read(tmp_path: Path, unit: Unit | None) -> None:
    write_times(tmp_path, "Shop", PARTS, unit)
    times = read_times(tmp_path, "Shop", np.array([1, 3, 7, 12]), np.array([0, 4, 8, 11, 13]), all_users=True)
    assert times is not None
    assert (times.values.tolist(), times.unit) == (TIMES.tolist(), unit)
    schema = pq.read_schema(times_file(tmp_path, "Shop"))
    assert (schema.names, schema.types) == (["user", "time"], [pa.int64(), pa.int64()])
    assert schema.metadata[b"unit"] == (unit or "").encode()


def test_times_of_the_users_that_are_read(write_folder) -> None:
    folder = write_folder()
    write_times(folder, "Shop", PARTS, "ms")
    data = read_folder(folder)
    assert data.times is not None
    assert (data.times.values.tolist(), data.times.unit) == (TIMES[:11].tolist(), "ms")
    first = read_folder(folder, users=2).times
    assert first is not None
    assert first.values.tolist() == TIMES[:8].tolist()


@pytest.mark.parametrize("metadata", [None, {"unit": ""}, {"unit": "fortnights"}])
def test_a_unit_that_is_not_said_is_not_guessed(write_folder, metadata: dict[str, str] | None) -> None:
    folder = write_folder()
    times = 1_700_000_000_000_000_000 + TIMES
    table = pa.table({"user": USERS, "time": times}).replace_schema_metadata(metadata)
    pq.write_table(table, times_file(folder, "Shop"))
    read = read_folder(folder).times
    assert read is not None
    assert (read.values.tolist(), read.unit) == (times[:11].tolist(), None)


def test_the_order_of_users_does_not_matter(write_folder) -> None:
    folder = write_folder()
    write_times(folder, "Shop", [(USERS[8:], TIMES[8:]), (USERS[:8], TIMES[:8])], "s")
    read = read_folder(folder).times
    assert read is not None
    assert read.values.tolist() == TIMES[:11].tolist()


def test_a_folder_without_times(write_folder) -> None:
    assert read_folder(write_folder()).times is None


def test_times_that_do_not_fit_are_refused(write_folder) -> None:
    folder = write_folder()
    write_times(folder, "Shop", [(USERS[1:], TIMES[1:])], "s")
    with pytest.raises(DataError, match=r"has 3 times for user 1, who has 4 interactions; import the data again"):
        _ = read_folder(folder).times
    write_times(folder, "Shop", [(USERS, TIMES[::-1])], "s")
    with pytest.raises(DataError, match=r"the times of user 1 in .* fall"):
        _ = read_folder(folder).times


def test_times_of_other_users_are_refused_where_all_users_are_read(tmp_path: Path) -> None:
    write_times(tmp_path, "Shop", PARTS, "s")
    users, offsets = np.array([1, 3, 12]), np.array([0, 4, 8, 10])
    with pytest.raises(DataError, match=r"has times for user 7, who has no interactions"):
        read_times(tmp_path, "Shop", users, offsets, all_users=True)
    assert read_times(tmp_path, "Shop", users, offsets) is not None


@pytest.mark.parametrize(
    "columns", [{"user": [1]}, {"user": [1], "time": ["now"]}, {"user": [1, None], "time": [1, 2]}]
)
def test_files_that_are_no_times_are_refused(write_folder, columns: dict[str, list[object]]) -> None:
    folder = write_folder()
    pq.write_table(pa.table(columns), times_file(folder, "Shop"))
    with pytest.raises(DataError, match=r"Shop\.times\.parquet, the times of the interactions, can't be read"):
        _ = read_folder(folder).times


def test_a_broken_file_is_refused(write_folder) -> None:
    folder: Path = write_folder()
    times_file(folder, "Shop").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"Shop\.times\.parquet, the times of the interactions, can't be read"):
        _ = read_folder(folder).times


def test_ties() -> None:
    users, times = np.array([0, 0, 0, 1, 1, 1]), np.array([5, 5, 7, 7, 8, 8])
    # the last of one user and the first of the next are no tie
    assert tied(users, times).tolist() == [True, True, False, False, True, True]
    ties = count_ties(users, times)
    assert (ties.interactions, ties.targets) == (4, 1)
    assert count_ties(users, times, np.array([1, 4])).targets == 2
    assert count_ties(users[:0], times[:0]).interactions == 0
