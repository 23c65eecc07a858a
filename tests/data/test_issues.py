"""Issues are counted by kind, with the first examples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mindrec_bench.data.issues import Issues
from mindrec_bench.errors import DataError


def test_ids_in_examples_can_be_replaced() -> None:
    issues = Issues()
    for example in ("user 7", "item 7", "user 77", "user 8: 'x'"):
        issues.add("odd", example)
    issues.rename("user", [(7, "anna"), (8, "bob"), (9, "user 77")])
    assert issues.lines() == ["4 odd (user anna, item 7, user 77, ...)"]


def test_counts_and_examples() -> None:
    issues = Issues()
    issues.check(Path("x"))
    for row in range(1234):
        issues.add("rows without user", f"row {row}")
    issues.add("odd rows", "row 7")
    assert issues.lines() == ["1,234 rows without user (row 0, row 1, row 2, ...)", "odd rows (row 7)"]
    with pytest.raises(DataError, match=r"x can't be imported: 1,234 rows .*; odd rows \(row 7\); correct"):
        issues.check(Path("x"))


def test_the_true_entries_of_a_mask() -> None:
    issues = Issues()
    issues.add_where(np.array([False, False]), "unknown items", ["a", "b"])
    assert not issues
    issues.add_where(np.array([True, False, True, True]), "unknown items", ["a", "b", "a", "c"])
    issues.add_where(np.array([True]), "gaps", np.array([7]), prefix="user ")
    issues.add("the column rank must hold whole numbers")
    assert issues
    assert issues.lines() == ["3 unknown items (a, c, ...)", "gaps (user 7)", "the column rank must hold whole numbers"]
    with pytest.raises(DataError, match=r"x can't be scored: 3 unknown items .*; correct the file"):
        issues.check(Path("x"), purpose="scored")
