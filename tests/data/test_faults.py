"""Faults are counted by kind, with the first places."""

from __future__ import annotations

from pathlib import Path

import pytest

from mindrec_bench.data.faults import Faults
from mindrec_bench.errors import DataError


def test_places_by_other_names() -> None:
    faults = Faults()
    for place in ("user 7", "item 7", "user 77", "user 8: 'x'"):
        faults.add("odd", place)
    faults.rename("user", [(7, "anna"), (8, "bob"), (9, "user 77")])
    assert faults.lines() == ["4 odd (user anna, item 7, user 77, ...)"]


def test_counts_and_places() -> None:
    faults = Faults()
    faults.check(Path("x"))
    for row in range(1234):
        faults.add("rows without user", f"row {row}")
    faults.add("odd rows", "row 7")
    assert faults.lines() == ["1,234 rows without user (row 0, row 1, row 2, ...)", "odd rows (row 7)"]
    with pytest.raises(
        DataError, match=r"x can't be imported, since it has 1,234 rows .*; odd rows \(row 7\); correct"
    ):
        faults.check(Path("x"))
