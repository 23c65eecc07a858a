"""Runs on the user's own data folder."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from mindrec_bench.data.times import write_times
from mindrec_bench.errors import DataError, UsageError
from mindrec_bench.report.compare import compare_runs
from mindrec_bench.store.runs import find_runs

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


def write_ring(folder, *, unit="s"):
    """20 users go round a ring of 12 items, one item a day; user u starts on day u."""
    lengths, first = 8, 16_000
    sequences = {str(user): [(user + step) % 12 for step in range(lengths)] for user in range(20)}
    write_shop(folder, inter=sequences, index={str(item): [f"<a_{item}>", "<b_0>"] for item in range(12)})
    days = np.array([first + user + step for user in range(20) for step in range(lengths)])
    write_times(folder, folder.name, [(np.repeat(np.arange(20), lengths), days * 86_400)], unit)


def test_a_split_by_time_is_a_run_of_its_own(run, tmp_path):
    write_ring(tmp_path / "Ring")
    data = str(tmp_path / "Ring")
    plain = run("markov", "rank-items", data=data)
    by_time = run("markov", "rank-items", data=data, holdout="time:0.80")
    assert (plain["holdout"], by_time["holdout"]) == ("leave-one-out", "time:0.8")
    assert plain["run"] != by_time["run"]
    assert by_time["run"] == run("markov", "rank-items", data=data, holdout="time:0.8")["run"]
    assert "--holdout time:0.8" in by_time["command"]
    # 160 interactions on 27 days; the last 32 or more are of days 18 to 26, and users 0 to 10 are done before them
    assert by_time["users"] == len(set(read_rankings(by_time)["user"].to_pylist())) < 20
    (note,) = by_time["notes"]
    assert re.fullmatch(
        r"holdout time:0.8: validation from 2013-\d\d-\d\d on, test from 2013-\d\d-\d\d \(UTC\); "
        rf"{by_time['users']} of 20 users are evaluated, \d+ have no interaction in the test window and "
        r"\d+ none before it",
        note,
    )
    from_day = re.search(r"test from (\S+)", note)[1]
    by_date = run("markov", "rank-items", data=data, holdout=from_day)
    assert by_date["metrics"] == by_time["metrics"]
    assert by_date["run"] != by_time["run"]


def test_runs_of_two_splits_are_not_compared(run, tmp_path):
    write_ring(tmp_path / "Ring")
    for holdout in ("leave-one-out", "time:0.8"):
        run("markov", "rank-items", data=str(tmp_path / "Ring"), holdout=holdout)
    with pytest.raises(UsageError, match="they have different holdout"):
        compare_runs(list(find_runs(tmp_path / "runs")))


def test_data_without_times_are_not_split_by_time(run, tmp_path):
    write_shop(tmp_path / "Shop")
    with pytest.raises(DataError, match=r"--holdout time:0\.9 needs the times of the interactions, and Shop has only"):
        run("pop", "rank-items", data=str(tmp_path / "Shop"), holdout="time:0.9")


def test_times_without_a_unit_are_split_by_share_only(run, tmp_path):
    write_ring(tmp_path / "Ring", unit=None)
    data = str(tmp_path / "Ring")
    (note,) = run("pop", "rank-items", data=data, holdout="time:0.8")["notes"]
    assert "(UTC)" not in note
    with pytest.raises(DataError, match=r"--holdout 2013-11-01 is a date, and the times of Ring are numbers without"):
        run("pop", "rank-items", data=data, holdout="2013-11-01")


def test_a_longer_history_is_read(run, tmp_path):
    """Item 0 is followed by 20 others that nobody else has, and then by 1: only a long history knows."""
    folder = tmp_path / "Long"
    tail = list(range(2, 22))
    write_shop(
        folder,
        inter={"0": [0, *tail, 5], **{str(user): [0, 30, 30, 30] for user in range(1, 9)}},
        index={str(item): [f"<a_{item}>", "<b_0>"] for item in range(31)},
    )
    top = {
        history: read_rankings(run("markov:mix=0", "rank-items", data=str(folder), history=history, beam=30))
        for history in (10, 25)
    }
    of_first = {
        history: {row["item"] for row in table.to_pylist() if row["user"] == 0} for history, table in top.items()
    }
    assert "30" not in of_first[10]
    assert "30" in of_first[25]


@pytest.mark.usefixtures("small_networks")
@pytest.mark.parametrize(
    ("model", "history"), [("llada", 4), ("llada", 13), ("llama3", 13), ("tiger", 4), ("sasrec", 13)]
)
def test_networks_take_histories_of_any_length(run, tmp_path, model, history):
    write_ring(tmp_path / "Ring")
    if model == "sasrec":
        pytest.importorskip("recbole", reason="RecBole is not installed")
    decoder = {"llada": "bs", "sasrec": "rank-items"}.get(model, "ar-beam")
    settings = {"data": str(tmp_path / "Ring"), "history": history, "size": "tiny", "holdout": "time:0.7", "beam": 3}
    summary = run(f"{model}:epochs=1", decoder, **settings)
    assert (summary["history"], summary["metrics"]["hr@1"] >= 0) == (history, True)


def test_data_without_semantic_ids(run, tmp_path):
    write_shop(tmp_path / "Shop")
    (tmp_path / "Shop" / "Shop.index.json").unlink()
    summary = run("pop", "rank-items", data=str(tmp_path / "Shop"), beam=10)
    table = read_rankings(summary)
    assert table["item"].to_pylist() == ["3", "10", "1"] * 3
    assert table["codes"].to_pylist() == [[3], [10], [1]] * 3
    assert (summary["slots"]["sid"], summary["slots"]["code"]) == (1, "an item, since the data has no semantic IDs")
    assert "a hit is a match of items" in " ".join(summary["notes"])
    for model, decoder, reason in (
        ("pop", "bs", "decoder 'bs' searches them"),
        ("llada", "bs", "'llada' predicts them"),
    ):
        with pytest.raises(
            DataError, match=rf"has no semantic IDs, and .*{reason}; make them with `mrbench data tokenize"
        ):
            run(model, decoder, data=str(tmp_path / "Shop"))
