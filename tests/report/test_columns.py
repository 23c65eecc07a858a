"""Columns of text."""

from __future__ import annotations

from mindrec_bench.report.columns import aligned


def test_the_first_column_is_left_aligned_and_the_others_right_aligned():
    assert aligned([("", "first", "all"), ("users", "5,000", "45,141"), ("a long name", "1", "")]) == [
        "             first     all",
        "users        5,000  45,141",
        "a long name      1",
    ]


def test_a_column_with_nothing_below_its_heading_vanishes():
    assert aligned([("", "here", "paper"), ("users", "7", "")]) == ["       here", "users     7"]
