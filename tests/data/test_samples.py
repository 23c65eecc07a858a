"""Sampled users, as values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mindrec_bench.core.dataset import ExternalIds
from mindrec_bench.data.folder import read_folder
from mindrec_bench.data.samples import sample_users

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


def test_external_ids_and_no_texts(write_folder: Any) -> None:
    data = replace(
        read_folder(write_folder(inter=INTER)),
        read_external_ids=lambda: ExternalIds(("ann", "bob"), ("a", "b", "c", "d")),
    )
    sample = sample_users(data, 2)[1]
    assert sample["user"] == "bob"
    assert [(entry["item"], entry["title"], entry["categories"]) for entry in sample["latest"]] == [
        ("a", "", None), ("b", "", None), ("c", "", None),
    ]  # fmt: skip
