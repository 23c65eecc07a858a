"""The user's own data folders, found by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mindrec_bench.data import sources, user_datasets
from mindrec_bench.errors import DataError, UsageError


@pytest.fixture
def root(write_folder: Any) -> Path:
    """A folder of data folders: Shop, Arts, one without sequences, and what an import left half done."""
    root = write_folder().parent
    for name in ("Arts", ".import-x"):
        write_folder(name)
    (root / "empty").mkdir()
    (root / "text").mkdir()
    (root / "text" / "user_sequence.txt").write_text("1 2 3 4")
    return root


def test_by_name(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = user_datasets.user_datasets(root, ["arts"])
    assert found == {"Shop": root / "Shop", "text": root / "text"}
    assert sources.resolve("Shop:levels=2", root) == ("Shop", sources.FolderSource(str(root / "Shop"), levels=2))
    monkeypatch.setenv("MRBENCH_DATA", str(root))
    assert sources.resolve("Shop")[1].load(None, users=None, notify=print).name == "Shop"
    with pytest.raises(UsageError, match=r"unknown data 'shp' \(did you mean 'Shop'\?\); known: arts, .*Shop, text"):
        sources.resolve("shp")


@pytest.mark.parametrize("name", ["", "..", "Shop/", "empty", "absent"])
def test_what_is_no_name(root: Path, name: str) -> None:
    assert user_datasets.find(name, root) is None


def test_a_data_folder_comes_before_another_folder_of_that_name(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root / "empty")
    Path("Shop").mkdir()
    assert sources.resolve("Shop", root) == ("Shop", sources.FolderSource(str(root / "Shop")))
    assert sources.resolve("./Shop", root) == ("Shop", sources.FolderSource("./Shop"))


def test_listed(root: Path) -> None:
    told = {"users": 2, "items": 3, "interactions": 4000, "interactions_file": {"path": "sales.csv"}}
    (root / "text" / "text.import.json").write_text(json.dumps(told))
    rows = {row.name: row.summary for row in sources.listed(root, pytest.fail)}
    assert list(rows)[-2:] == ["Shop", "text"]
    assert rows["Shop"] == f"Your own folder {root / 'Shop'}."
    assert rows["text"] == (
        "Imported from sales.csv: 2 users, 3 items, 4,000 interactions; no semantic IDs yet, "
        "see `mrbench data tokenize text`."
    )


def test_folder_of(root: Path) -> None:
    assert sources.folder_of("Shop", root) == root / "Shop"
    assert sources.folder_of("arts", root) == root / "Arts"
    assert sources.folder_of(str(root / "empty"), None) == root / "empty"
    with pytest.raises(DataError, match="Games is not on this machine; `mrbench data fetch games`"):
        sources.folder_of("games", root)
    with pytest.raises(UsageError, match="'arts-sim' has no folder"):
        sources.folder_of("arts-sim", root)
