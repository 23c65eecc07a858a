"""The search path, and the user's own datasets on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mindrec_bench.data import locate


@pytest.fixture
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Four folders, none of which exists yet: --data-dir, $MRBENCH_DATA, ./data, cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MRBENCH_DATA", str(tmp_path / "variable"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return {
        "data_dir": tmp_path / "given",
        "variable": tmp_path / "variable",
        "here": Path("data"),
        "cache": tmp_path / "cache" / "mindrec-bench" / "data",
    }


def test_the_first_folder_that_holds_it_wins(roots: dict[str, Path]) -> None:
    assert locate.find_folder("Arts", None) is None
    for root in ("cache", "here", "variable"):
        (roots[root] / "Arts").mkdir(parents=True)
        assert locate.find_folder("Arts", None) == roots[root] / "Arts"


def test_a_folder_given_by_hand_is_the_only_one(roots: dict[str, Path]) -> None:
    (roots["variable"] / "Arts").mkdir(parents=True)
    assert locate.find_folder("Arts", roots["data_dir"]) is None
    (roots["data_dir"] / "Arts").mkdir(parents=True)
    assert locate.find_folder("Arts", roots["data_dir"]) == roots["data_dir"] / "Arts"


def test_an_unset_variable_is_not_tried(roots: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MRBENCH_DATA")
    assert locate.search_path(None) == [roots["here"], roots["cache"]]
    monkeypatch.setenv("MRBENCH_DATA", "")
    assert locate.search_path(None) == [roots["here"], roots["cache"]]


def test_user_datasets(data_root: Path) -> None:
    assert locate.user_datasets(data_root, ["arts"]) == {"Shop": data_root / "Shop", "text": data_root / "text"}


@pytest.mark.parametrize("name", ["", "..", "Shop/", "empty", "absent"])
def test_what_is_not_the_name_of_a_user_dataset(data_root: Path, name: str) -> None:
    assert locate.find_user_dataset("Shop", data_root) == data_root / "Shop"
    assert locate.find_user_dataset(name, data_root) is None


def test_descriptions(data_root: Path) -> None:
    report = {"users": 2, "items": 3, "interactions": 4000, "interactions_file": {"path": "sales.csv"}}
    (data_root / "text" / "text.import.json").write_text(json.dumps(report))
    assert locate.describe_folder(data_root / "Shop") == f"Your own folder {data_root / 'Shop'}."
    assert locate.describe_folder(data_root / "text") == (
        "Imported from sales.csv: 2 users, 3 items, 4,000 interactions; no semantic IDs yet, "
        f"see `mrbench data tokenize {data_root / 'text'}`."
    )


def test_a_folder_with_semantic_ids_comes_first(roots: dict[str, Path]) -> None:
    for root in ("variable", "here", "cache"):
        (roots[root] / "shop").mkdir(parents=True)
        (roots[root] / "shop" / "shop.inter.json").write_text("{}")
    for root in ("cache", "here"):
        (roots[root] / "shop" / "shop.index.json").write_text("{}")
    assert locate.find_folder("shop", None) == roots["here"] / "shop"
    assert locate.find_user_dataset("shop", None) == roots["here"] / "shop"
    assert locate.user_datasets(None, []) == {"shop": roots["here"] / "shop"}
