"""Checks of data folders: every issue is found beside the others, and real data has remarks only."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mindrec_bench.data.folder import read_folder
from mindrec_bench.data.validate import ValidationReport, validate
from mindrec_bench.errors import DataError

INDEX = {
    "2": ["<a_10>", "<b_0>"],
    "10": ["<a_2>", "<b_7>"],
    "1": ["<a_2>", "<b_0>"],
    "3": ["<a_2>", "<b_9>"],
}
ITEMS = {item: {"title": f"item {item}", "categories": "R,A"} for item in INDEX}


def lines(report: ValidationReport) -> tuple[list[str], list[str]]:
    return report.errors.lines(), report.remarks.lines()


def test_a_folder_without_issues(write_folder: Any) -> None:
    report = validate(write_folder(index=INDEX, item=ITEMS, inter={"7": [1, 2, 3], "1": [3, 10, 1, 2]}))
    assert lines(report) == ([], [])
    assert report.counts == {"users": 2, "items": 4, "interactions": 7}


ERRORS: dict[str, tuple[dict[str, Any], str]] = {
    "no sequences": ({"inter": None}, "has neither Shop.inter.json nor user_sequence.txt"),
    "broken sequences": ({"inter": '{"1": [2,'}, "not valid JSON at line 1"),
    "no list": ({"inter": {"1": [1, 2, 3], "2": 5}}, "users in Shop.inter.json whose items are not a list (user 2)"),
    "user id": ({"inter": {"x": [1, 2, 3]}}, "users whose id is not a whole number (user x: 'x')"),
    "user twice": ({"inter": {"1": [1, 2, 3], "01": [1]}}, "users that occur twice (user 01 as user 1: '01')"),
    "line twice": (
        {"inter": None, "text": "1 1 2 3\n\n2 1 2\n1 2 3\n"},
        "users that occur twice (line 4 as line 1: '1')",
    ),
    "item type": ({"inter": {"1": [1, 2, True]}}, "neither texts nor whole numbers (user 1: True)"),
    "unknown items": (
        {"inter": {"1": [1, 5, 2, 5, 6]}},
        "3 interactions with items that have no semantic ID (user 1: item 5, user 1: item 5, user 1: item 6)",
    ),
    "all short": ({"inter": {"1": [1, 2]}}, "no user has 3 interactions"),
    "broken index": ({"index": "[]"}, "must contain a JSON object"),
    "empty index": ({"index": {}}, "holds no items"),
    "no codes": (
        {"index": INDEX | {"3": []}},
        "items in Shop.index.json that have no list of codes such as <a_11> (item 3)",
    ),
    "malformed code": (
        {"index": INDEX | {"3": ["<a_1>", "b9"]}},
        "with malformed codes; write codes like <a_11> (item 3: b9)",
    ),
    "length": ({"index": INDEX | {"3": ["<a_1>"]}}, "whose number of codes is not 2, as for most items (item 3: 1)"),
    "entry": ({"item": ITEMS | {"3": "x"}}, 'whose entry is not an object of fields such as "categories" (item 3)'),
    "categories": (
        {"item": ITEMS | {"3": {"categories": ["R", "A"]}, "1": {"categories": 5}}},
        '2 items whose categories are not one text such as "Arts,Sewing,Thread" (item 1: int, item 3: list)',
    ),
    "category file": (
        {"category": {"1": ["<a:0>"], "2": ["<a:0>"]}},
        "2 items that Shop.category.json lacks (item 10, item 3)",
    ),
    "category codes": (
        {"category": {item: ["<a:0>"] for item in INDEX} | {"3": ["a"]}},
        "items in Shop.category.json with malformed codes; write codes like <a:0> (item 3: a)",
    ),
}


@pytest.mark.parametrize("kind", ERRORS)
def test_errors(write_folder: Any, kind: str) -> None:
    """Each error is reported, and the folder can't be read."""
    changes, message = ERRORS[kind]
    folder = write_folder(**{"index": INDEX, "item": ITEMS} | changes)
    matches = [line for line in validate(folder).errors.lines() if message in line]
    assert len(matches) == 1
    with pytest.raises(DataError):
        read_folder(folder)


def test_all_errors_are_reported_at_once(write_folder: Any) -> None:
    changes = {
        key: value for name in ("unknown items", "length", "categories") for key, value in ERRORS[name][0].items()
    }
    assert len(validate(write_folder(**changes)).errors.lines()) == 3


REMARKS: dict[str, tuple[dict[str, Any], str]] = {
    "collision": (
        {"index": INDEX | {"3": INDEX["10"]}},
        "2 items that share their semantic ID with another item (item 10, item 3)",
    ),
    "no codes yet": ({"index": None}, "Shop` before a run (Shop.index.json)"),
    "short": (
        {"inter": {"1": [1, 2, 3], "2": [1]}},
        "users with fewer than 3 interactions, who are skipped (user 2)",
    ),
    "unseen": ({"inter": {"1": [1, 2, 3]}}, "items that no user has (item 10)"),
    "in a row": ({"inter": {"1": [1, 2, 2]}}, "users who have an item twice in a row (user 1)"),
    "no texts": ({"item": None}, "missing file of item texts and categories (Shop.item.json)"),
    "no title": ({"item": ITEMS | {"1": {"categories": "R,A"}}}, "items without title (item 1)"),
    "no categories": ({"item": ITEMS | {"1": {"title": "x", "categories": "R"}}}, "a root alone is none) (item 1)"),
    "more items": ({"item": ITEMS | {"11": {}}}, "described items that are not in the catalogue (item 11)"),
    "two parents": (
        {"item": ITEMS | {"1": {"title": "x", "categories": "R,B,C"}, "2": {"title": "x", "categories": "R,D,C"}}},
        "category names below several parents, of which the first one counts ('C' below 'D' and 'B')",
    ),
}


@pytest.mark.parametrize("kind", REMARKS)
def test_remarks(write_folder: Any, kind: str) -> None:
    changes, message = REMARKS[kind]
    errors, remarks = lines(validate(write_folder(**{"index": INDEX, "item": ITEMS} | changes)))
    assert errors == []
    assert len([line for line in remarks if message in line]) == 1


def test_broken_external_ids(write_folder: Any) -> None:
    folder = write_folder(index=INDEX, item=ITEMS)
    pq.write_table(pa.table({"id": [1], "own_id": ["x"]}), folder / "Shop.users.parquet")
    assert any("Shop.users.parquet has no external id for 7" in line for line in validate(folder).errors.lines())


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no folder"):
        validate(tmp_path / "absent")


def test_arts(real_data: Path) -> None:
    """Real data is valid, and some of its items share SIDs."""
    report = validate(real_data / "Arts")
    assert report.errors.lines() == []
    assert report.counts == {"users": 45_141, "items": 20_956, "interactions": 390_832}
    sids = Counter(map(tuple, json.loads((real_data / "Arts/Arts.index.json").read_text()).values()))
    shared = sum(count for count in sids.values() if count > 1)
    assert shared > 0
    assert any(f"{shared} items that share their semantic ID" in line for line in report.remarks.lines())
