"""Aligned columns of text."""

from __future__ import annotations

from mindrec_bench.report.columns import align_columns


def test_the_first_column_is_left_aligned_and_the_others_right_aligned():
    assert align_columns([("", "first", "all"), ("users", "5,000", "45,141"), ("a long name", "1", "")]) == [
        "             first     all",
        "users        5,000  45,141",
        "a long name      1",
    ]


def test_a_column_that_is_empty_below_its_heading_is_left_out():
    assert align_columns([("", "here", "paper"), ("users", "7", "")]) == ["       here", "users     7"]
