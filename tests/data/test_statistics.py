"""Statistics of a small folder and of the real datasets."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mindrec_bench.data import sources
from mindrec_bench.data.folder import read_folder
from mindrec_bench.data.statistics import PAPER_USERS, dataset_statistics, statistics_rows


@cache
def real_statistics(root: Path, name: str, users: int | None) -> dict[str, Any]:
    return dataset_statistics(getattr(sources, name)().load(root, users=users))


def test_small_folder(write_folder) -> None:
    index = {"0": ["<a_0>", "<b_0>"], "1": ["<a_0>", "<b_0>"], "2": ["<a_1>", "<b_0>"], "3": ["<a_5>", "<b_9>"]}
    inter = {"0": [0, 1, 2], "1": [0] * 12 + [1], "2": [1, 1], "3": [2, 0, 1, 0]}
    item = {"0": {"categories": "R,A,x"}, "1": {"categories": "R,B"}, "2": {"categories": "R,A,x"}}
    statistics = dataset_statistics(read_folder(write_folder(index=index, inter=inter, item=item), levels=2))
    fingerprint = statistics.pop("fingerprint")
    assert len(fingerprint) == 64
    assert statistics == {
        "name": "Shop",
        "users": 3,
        "skipped_users": 1,
        "items_touched": 3,
        "catalogue_items": 4,
        "interactions": 20,
        "training_examples": 0 + 10 + 1,
        "distinct_sids": 3,
        "items_sharing_a_sid": 2,
        "codes_a_slot": {"categories": [3, 1], "sid": [3, 2]},
        "category_prefixes": [3, 3],
        "items_without_categories": 1,
        "history_length": {"min": 2.0, "p25": 2.5, "median": 3.0, "p75": 7.5, "p95": pytest.approx(11.1), "max": 12.0},
        "histories_cut": pytest.approx(1 / 3),
        # Targets 2, 1, 0; the training parts hold 0 and 2 only.
        "test_targets_in_training": pytest.approx(2 / 3),
        "notes": [],
    }
    json.dumps(statistics)


@pytest.mark.parametrize(
    ("name", "first", "whole"),
    [
        ("Instruments", (5_000, 9_223, 56_001), (24_772, 9_922, 206_153)),
        pytest.param("Arts", (5_000, 17_054, 63_401), (45_141, 20_956, 390_832), marks=pytest.mark.slow),
        pytest.param("Games", (5_000, 14_671, 77_096), (50_546, 16_859, 452_989), marks=pytest.mark.slow),
    ],
)
def test_real_sizes(real_data: Path, name: str, first: tuple, whole: tuple) -> None:
    for users, expected in ((5_000, first), (None, whole)):
        statistics = real_statistics(real_data, name, users)
        assert (statistics["users"], statistics["items_touched"], statistics["interactions"]) == expected
        assert statistics["skipped_users"] == 0
        # Every item after the first of each training part is an example.
        assert statistics["training_examples"] == statistics["interactions"] - 3 * statistics["users"]


@pytest.mark.parametrize(
    ("name", "items", "sids"),
    [
        pytest.param("Arts", 20_956, 20_887, marks=pytest.mark.slow),
        ("Games", 16_859, 16_717),
        ("Instruments", 9_922, 9_897),
    ],
)
def test_real_semantic_ids(real_data: Path, name: str, items: int, sids: int) -> None:
    statistics = real_statistics(real_data, name, 5_000)
    assert (statistics["catalogue_items"], statistics["distinct_sids"]) == (items, sids)
    # Each shared SID has at least two items.
    assert items - sids < statistics["items_sharing_a_sid"] <= 2 * (items - sids)
    if name == "Arts":
        assert sum(statistics["codes_a_slot"]["sid"]) == 1_010


@pytest.mark.parametrize(
    ("name", "prefixes", "slots"),
    [
        pytest.param("Arts", [12, 108, 309], [12, 16, 15], marks=pytest.mark.slow),
        ("Instruments", [16, 73, 245], [16, 14, 17]),
        ("Games", [], []),
    ],
)
def test_real_categories(real_data: Path, name: str, prefixes: list[int], slots: list[int]) -> None:
    statistics = real_statistics(real_data, name, 5_000)
    assert statistics["category_prefixes"] == prefixes
    assert statistics["codes_a_slot"]["categories"] == slots


@pytest.mark.parametrize(
    ("name", "share"),
    [pytest.param("Arts", 0.86, marks=pytest.mark.slow), ("Games", 0.91), ("Instruments", 0.94)],
)
def test_real_targets_in_training(real_data: Path, name: str, share: float) -> None:
    assert round(real_statistics(real_data, name, 5_000)["test_targets_in_training"], 2) == share


def test_rows_show_the_values_of_the_paper_and_mark_differences(real_data: Path) -> None:
    sides = [real_statistics(real_data, "Games", users) for users in (PAPER_USERS, None)]
    cells = {row.label: row[1:] for row in statistics_rows(*sides)}
    assert cells["users"] == ("5,000", "50,546", "5,000", "≠ 204,439")
    assert cells["items in sequences"] == ("14,671", "16,859", "14,671", "≠ 16,858")
    assert cells["interactions"] == ("77,096", "452,989", "77,096", "452,989")
    assert cells["category prefixes of length 1, 2, ..."] == ("none", "none", "", "")
    assert cells["test targets seen in training"] == ("91.2%", "99.8%", "", "")


def test_rows_of_other_data_have_no_values_of_the_paper(write_folder) -> None:
    statistics = dataset_statistics(read_folder(write_folder()))
    assert {row[3:] for row in statistics_rows(statistics, statistics)} == {("", "")}
