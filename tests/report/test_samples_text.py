"""Sampled users as text."""

from __future__ import annotations

from typing import Any

from mindrec_bench.report.samples_text import format_samples


def make_sample(user: Any, *items: tuple[Any, ...]) -> dict[str, Any]:
    keys = ("item", "categories", "sid", "title", "part")
    return {"user": user, "interactions": 1234, "latest": [dict(zip(keys, item, strict=True)) for item in items]}


def test_one_line_per_item_with_aligned_columns() -> None:
    sample = make_sample(
        7,
        ("1", [0], [2, 0], "Kite", "train"),
        ("2", [1], [10, 0], "R,B", "validation"),
        ("3", [2], [2, 7], "", "test"),
    )
    long = make_sample(1, ("10", [2], [2, 7], "x" * 100, "train"), ("1", [0], [2, 0], "y", "validation"))
    assert format_samples([sample, long]) == [
        "user 7, the latest 3 of 1,234 items",
        "  1  0  2-0                 Kite",
        "  2  1  10-0  (validation)  R,B",
        "  3  2  2-7   (test)",
        "user 1, the latest 2 of 1,234 items",
        f"  10  2  2-7                {'x' * 69}...",
        "  1   0  2-0  (validation)  y",
    ]


def test_columns_without_values_are_left_out() -> None:
    sample = make_sample(
        "bob", ("a", None, [2, 0], "", "train"), ("b", None, [10, 0], "", "validation"), ("c", None, [2, 7], "", "test")
    )
    assert format_samples([sample])[1:] == ["  a  2-0", "  b  10-0  (validation)", "  c  2-7   (test)"]


def test_no_samples_and_no_items() -> None:
    assert format_samples([]) == []
    assert format_samples([make_sample("ann")]) == ["user ann, the latest 0 of 1,234 items"]
