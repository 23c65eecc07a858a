"""The order in which folders are tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from mindrec_bench.data import locate


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Four roots, none of which exists yet: --data-dir, $MRBENCH_DATA, ./data, cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MRBENCH_DATA", str(tmp_path / "variable"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return {
        "given": tmp_path / "given",
        "variable": tmp_path / "variable",
        "here": Path("data"),
        "cache": tmp_path / "cache" / "mindrec-bench" / "data",
    }


def test_the_first_root_that_holds_it_wins(places: dict[str, Path]) -> None:
    assert locate.find("Arts", None) is None
    for place in ("cache", "here", "variable"):
        (places[place] / "Arts").mkdir(parents=True)
        assert locate.find("Arts", None) == places[place] / "Arts"


def test_a_folder_given_by_hand_is_the_only_one(places: dict[str, Path]) -> None:
    (places["variable"] / "Arts").mkdir(parents=True)
    assert locate.find("Arts", places["given"]) is None
    (places["given"] / "Arts").mkdir(parents=True)
    assert locate.find("Arts", places["given"]) == places["given"] / "Arts"


def test_an_unset_variable_is_not_tried(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MRBENCH_DATA")
    assert locate.roots(None) == [places["here"], places["cache"]]
    monkeypatch.setenv("MRBENCH_DATA", "")
    assert locate.roots(None) == [places["here"], places["cache"]]
