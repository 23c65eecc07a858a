"""Sampled users, as values and as text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mindrec_bench.core.dataset import ExternalIds
from mindrec_bench.data.folder import read_folder
from mindrec_bench.data.samples import format_samples, sample_users

INTER = {"7": [1, 2, 3], "1": [3, 10, 1, 2, 2, 10]}
ITEMS = {"1": {"title": "Kite", "categories": "R,A"}, "2": {"categories": "R,B"}, "10": {"title": "x" * 100}}


def test_latest_items_of_the_first_users(write_folder: Any) -> None:
    data = read_folder(write_folder(inter=INTER, item=ITEMS), levels=1)
    first, second = sample_users(data, 5)
    assert (first["user"], first["interactions"], len(first["latest"])) == (1, 6, 5)
    assert [entry["item"] for entry in first["latest"]] == ["10", "1", "2", "2", "10"]
    assert [entry["part"] for entry in first["latest"]] == ["train", "train", "train", "validation", "test"]
    kite = second["latest"][0]
    assert kite == {"item": "1", "categories": [0], "sid": [2, 0], "title": "Kite", "part": "train"}
    assert [entry["title"] for entry in second["latest"]] == ["Kite", "R,B", ""]
    assert sample_users(data, 1) == [first]


def test_text(write_folder: Any) -> None:
    data = read_folder(write_folder(inter=INTER, item=ITEMS), levels=1)
    lines = format_samples(sample_users(data, 2))
    assert lines[0] == "user 1, the latest 5 of 6 items"
    assert lines[1] == f"  10  2  2-7                 {'x' * 69}..."
    assert lines[6:] == [
        "user 7, the latest 3 of 3 items",
        "  1  0  2-0                 Kite",
        "  2  1  10-0  (validation)  R,B",
        "  3  2  2-7   (test)",
    ]


def test_external_ids_and_no_texts(write_folder: Any) -> None:
    data = replace(
        read_folder(write_folder(inter=INTER)),
        read_external_ids=lambda: ExternalIds(("ann", "bob"), ("a", "b", "c", "d")),
    )
    assert format_samples(sample_users(data, 2))[6:] == [
        "user bob, the latest 3 of 3 items",
        "  a  2-0",
        "  b  10-0  (validation)",
        "  c  2-7   (test)",
    ]
