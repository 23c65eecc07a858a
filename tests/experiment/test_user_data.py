"""Runs on the user's own data folder."""

from __future__ import annotations

import json

import pytest

from mindrec_bench.errors import UsageError

from .helpers import read_rankings


def write_shop(folder, **changes):
    """Write a data folder without categories; the sequence of user 9 is too short."""
    folder.mkdir()
    sequences = {"1": [3, 10, 1, 2], "3": [10, 3, 2, 1], "7": [1, 2, 3], "9": [2]}
    index = {"1": ["<a_2>", "<b_0>"], "2": ["<a_10>", "<b_0>"], "3": ["<a_2>", "<b_7>"], "10": ["<a_10>", "<b_7>"]}
    for kind, content in ({"inter": sequences, "index": index} | changes).items():
        (folder / f"{folder.name}.{kind}.json").write_text(json.dumps(content))


def test_oracle_refuses_real_data_and_leaves_no_run(run, tmp_path):
    write_shop(tmp_path / "Shop")
    with pytest.raises(UsageError, match="'oracle' needs data whose true distribution is known, and 'Shop' is not"):
        run("oracle", "rank-items", data=str(tmp_path / "Shop"))
    assert [path for path in (tmp_path / "runs").rglob("*") if path.suffix == ".json"] == []


def test_run_on_a_data_folder(run, tmp_path):
    write_shop(tmp_path / "Shop")
    summary = run("pop", "rank-items", data=str(tmp_path / "Shop"), beam=10)
    assert (summary["users"], summary["categories"], summary["slots"]["categories"]) == (3, "none", 0)
    assert summary["optimum"] is None
    assert "1 users with fewer than 3 interactions were skipped" in summary["notes"]
    table = read_rankings(summary)
    # Training parts: [3, 10], [10, 3], [1]; items 3 and 10 tie, and the lower number comes first.
    assert table["item"].to_pylist() == ["3", "10", "1"] * 3
    assert table["codes"].to_pylist() == [[2, 7], [10, 7], [2, 0]] * 3
    assert summary["metrics"]["hr@3"] == pytest.approx(2 / 3)
