"""The file of times: it comes back in the order of the sequences, and must fit them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mindrec_bench.data.folder import read_folder
from mindrec_bench.data.times import times_file, write_times
from mindrec_bench.errors import DataError

USERS = np.repeat([1, 3, 7, 12], [4, 4, 3, 2])
"""Of the interactions of the folder `Shop`; user 12 has too few."""

TIMES = np.array([1, 2, 2, 9, 5, 5, 6, 7, 0, 1, 2, 8, 9])


def test_times_of_the_users_that_are_read(write_folder) -> None:
    folder = write_folder()
    write_times(folder, "Shop", USERS, TIMES, unit="ms")
    data = read_folder(folder)
    assert data.times is not None
    assert (data.times.values.tolist(), data.times.unit) == (TIMES[:11].tolist(), "ms")
    first = read_folder(folder, users=2).times
    assert first is not None
    assert first.values.tolist() == TIMES[:8].tolist()


def test_whole_numbers_stay_exact(write_folder) -> None:
    folder = write_folder()
    times = 1_700_000_000_000_000_000 + TIMES
    write_times(folder, "Shop", USERS, times)
    read = read_folder(folder).times
    assert read is not None
    assert (read.values.tolist(), read.unit) == (times[:11].tolist(), "ns")


def test_a_folder_without_times(write_folder) -> None:
    assert read_folder(write_folder()).times is None


def test_times_that_do_not_fit_are_refused(write_folder) -> None:
    folder = write_folder()
    write_times(folder, "Shop", USERS[1:], TIMES[1:])
    with pytest.raises(DataError, match=r"has 3 times for user 1, who has 4 interactions; import the data again"):
        _ = read_folder(folder).times
    write_times(folder, "Shop", USERS, TIMES[::-1])
    with pytest.raises(DataError, match=r"the times of user 1 in .* fall"):
        _ = read_folder(folder).times


def test_a_broken_file_is_refused(write_folder) -> None:
    folder: Path = write_folder()
    times_file(folder, "Shop").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"Shop.times.parquet, the times of the interactions, can't be read"):
        _ = read_folder(folder).times
