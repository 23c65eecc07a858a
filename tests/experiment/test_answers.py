"""One question through the whole house: what is stored, and what must not change the answer."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from mindrec_bench.errors import UsageError
from mindrec_bench.experiment import run
from mindrec_bench.experiment.resolve import resolve_config

from .asked import DATA, USERS, answer, rankings


def test_what_a_run_leaves(ask, data):
    summary = ask("markov", "rank-items", beam=5)
    table = rankings(summary)
    assert table["user"].to_pylist() == [user for user in range(USERS) for _ in range(5)]
    assert table["rank"].to_pylist() == [1, 2, 3, 4, 5] * USERS
    space = data.space(categories=True)
    items = np.array([int(item) for item in table["item"].to_pylist()])
    expected = space.to_numbers(space.item_codes[items], tuple(range(space.n_slots)))
    assert table["codes"].to_pylist() == expected.tolist()
    metrics = pq.ParquetFile(Path(summary["path"]) / "metrics.parquet").read()
    assert metrics["user"].to_pylist() == data.users.tolist()
    hits = (space.sid_keys[items] == space.sid_keys[np.repeat(data.test().targets, 5)]).reshape(USERS, 5)
    for k in (1, 3, 5):
        assert metrics[f"hr@{k}"].to_pylist() == hits[:, :k].any(axis=1).tolist()
        assert summary["metrics"][f"hr@{k}"] == pytest.approx(hits[:, :k].any(axis=1).mean())
    stored = json.loads((Path(summary["path"]) / "summary.json").read_text())
    assert stored == {key: value for key, value in summary.items() if key != "path"}


def test_the_summary_has_what_a_machine_reads(ask):
    summary = ask()
    assert {"run", "path", "model", "decoder", "data", "size", "users", "metrics", "seconds"} <= set(summary)
    keys = {f"{name}@{k}" for name in ("hr", "ndcg") for k in (1, 3, 5, 10)}
    assert keys | {"entropy", "ttr", "valid"} <= set(summary["metrics"])
    assert set(summary["optimum"]) == keys
    assert (summary["model"], summary["decoder"], summary["data"], summary["size"]) == ("markov", "bs", DATA, "")
    assert summary["users"] == USERS
    assert summary["seconds"] > 0
    assert summary["timings"]["forward_passes"] == 7, "one batch, a pass a slot"


def test_the_oracle_reaches_the_optimum_on_average(ask):
    summary = ask("oracle", "rank-items", data="arts-sim:users=500,items=50")
    spread = 1 / np.sqrt(500)
    for key, best in summary["optimum"].items():
        assert abs(summary["metrics"][key] - best) < 2 * spread, key
    assert summary["optimum"]["hr@10"] > summary["optimum"]["hr@1"] > 0.02


def test_the_validation_split_is_a_run_of_its_own_with_the_same_fit(ask):
    test, valid = (ask("llada", "bs", split=split, size="tiny", max_minutes=0.01) for split in ("test", "valid"))
    assert test["run"] != valid["run"]
    assert (test["spec"]["split"], valid["split"]) == ("test", "valid")
    assert valid["command"].endswith("--split valid")
    assert "--split" not in test["command"]
    assert sum("training" in line for line in ask.notices) == 1


def test_the_validation_split_asks_for_the_last_but_one_item(ask, data):
    valid = data.validation()
    found = ask("oracle", "rank-items", split="valid", beam=1)
    best = data.simulation.log_probs(valid.histories.items).argmax(axis=1)
    sids = data.space(categories=False).sid_keys
    assert found["metrics"]["hr@1"] == pytest.approx(np.mean(sids[best] == sids[valid.targets]))


def test_eval_users_decodes_the_first_ones_only(ask, decoded):
    whole, some = ask(), ask(eval_users=7)
    assert decoded["users"] == USERS + 7
    assert (some["users"], some["eval_users"], whole["eval_users"]) == (USERS, 7, None)
    assert some["run"] != whole["run"]
    first = rankings(whole).filter(np.asarray(rankings(whole)["user"]) < 7)
    assert rankings(some).equals(first)
    assert len(pq.ParquetFile(Path(some["path"]) / "metrics.parquet").read()) == 7


def test_users_choose_the_data(ask):
    every, enough, fewer = ask(users=None), ask(users=USERS), ask(users=20)
    assert every["run"] == enough["run"] != fewer["run"]
    assert [summary["users_asked"] for summary in (every, fewer)] == [None, 20]
    assert fewer["users"] == 20
    assert set(rankings(fewer)["user"].to_pylist()) == set(range(20))


@pytest.mark.parametrize("decoder", ["rank-items", "dbs-dedup"])
def test_exclude_history(ask, data, decoder):
    sids = data.sids.tolist()
    shared = Counter(map(tuple, sids))
    histories = dict(zip(data.users.tolist(), data.test().histories.items.tolist(), strict=True))

    def repeats(summary):
        """Recommendations of an item of the history whose SID is its alone."""
        found = 0
        for row in rankings(summary).select(["user", "codes"]).to_pylist():
            seen = {tuple(sids[item]) for item in histories[row["user"]] if item >= 0}
            sid = tuple(row["codes"][-4:])
            found += sid in seen and shared[sid] == 1
        return found

    assert repeats(ask("pop", decoder)) > 0
    assert repeats(ask("pop", decoder, exclude_history=True)) == 0


@pytest.mark.parametrize("model", ["markov", "oracle"])
@pytest.mark.parametrize(("categories", "slots"), [("none", 4), ("history", 4), ("generate", 7), ("given", 7)])
def test_categories(ask, data, model, categories, slots):
    summary = ask(model, "dbs-penalty", categories=categories)
    table = rankings(summary)
    assert {len(codes) for codes in table["codes"].to_pylist()} == {slots}
    assert summary["categories"] == categories
    assert summary["metrics"]["valid"] > 0.9, "a lifted model has no probability for what is no item"
    assert summary["slots"]["sid_codes"] == sum(data.space(categories=False).sizes)
    if categories == "given":
        true = dict(zip(data.users.tolist(), data.categories[data.test().targets].tolist(), strict=True))
        assert all(row["codes"][:3] == true[row["user"]] for row in table.select(["user", "codes"]).to_pylist())
        assert any("given categories" in note for note in summary["notes"])
    else:
        assert summary["notes"] == []


def test_items_models_rank_only_items_that_fit_the_given_categories(ask, data):
    summary = ask("markov", "rank-items", categories="given")
    true = dict(zip(data.users.tolist(), data.categories[data.test().targets].tolist(), strict=True))
    for row in rankings(summary).select(["user", "item"]).to_pylist():
        assert data.categories[int(row["item"])].tolist() == true[row["user"]]


def test_sharding_changes_no_number(ask, monkeypatch, tmp_path):
    whole = ask("markov", "dbs-penalty")
    monkeypatch.setattr(run, "SHARD_USERS", 7)
    parts = ask("markov", "dbs-penalty", setup={"runs_dir": tmp_path / "parts"})
    assert parts["metrics"] == whole["metrics"]
    assert parts["optimum"] == whole["optimum"]
    assert rankings(parts).select(["user", "rank", "codes"]).equals(rankings(whole).select(["user", "rank", "codes"]))
    assert answer(parts)[1] == answer(whole)[1]


@pytest.mark.parametrize("decoder", ["bs", "dbs-dedup", "dbs-penalty", "rank-items"])
@pytest.mark.parametrize("batch_size", [1, 13])
def test_the_batch_size_changes_no_ranking_of_a_lifted_model(ask, tmp_path, decoder, batch_size):
    whole = ask("markov", decoder, eval_users=30)
    other = ask("markov", decoder, eval_users=30, setup={"runs_dir": tmp_path / "other", "batch_size": batch_size})
    for column in ("user", "rank", "codes", "item"):
        assert rankings(other)[column].equals(rankings(whole)[column]), column
    assert other["metrics"] == whole["metrics"]
    assert np.asarray(rankings(other)["score"]) == pytest.approx(np.asarray(rankings(whole)["score"]), abs=1e-9)
    assert other["timings"]["batch_size"] == batch_size


@pytest.mark.parametrize("size", [0, -5])
def test_a_batch_needs_a_user(ask, size):
    with pytest.raises(UsageError, match=f"--batch-size is {size}; it must be from 1 to 512"):
        ask(setup={"batch_size": size})


@pytest.mark.parametrize(
    "question",
    [
        {},
        {"model": "markov:decay=0.5", "decoder": "dbs-penalty:variant=released", "beam": 3, "seed": 12345678},
        {"categories": "none", "users": None, "eval_users": 9},
        {"categories": "history", "users": 40, "exclude_history": True},
        {"model": "trained", "size": "small", "max_minutes": 1.2345678},
    ],
    ids=str,
)
def test_the_command_asks_the_same_question(ask, trainings, question, tmp_path, monkeypatch):
    from mindrec_bench.cli.main import cli

    summary = ask(**question)
    words = shlex.split(summary["command"])
    assert words[:2] == ["mrbench", "run"]
    asked = []
    monkeypatch.setattr(run, "run_experiment", lambda question, setup: asked.append(question) or run.RunResult(summary))
    cli.main(words[1:], standalone_mode=False)
    resolved = resolve_config(asked[0])
    data = resolved.source.load(None, users=asked[0].users, notify=lambda line: None)
    assert resolved.spec(data).id == summary["run"]


def test_the_stored_device_is_the_one_that_was_used(ask):
    assert ask(setup={"device": "auto"})["environment"]["device"] == ("cuda" if torch.cuda.is_available() else "cpu")


def test_setup_never_changes_the_id(ask, tmp_path):
    first = ask()
    other = ask(setup={"runs_dir": tmp_path / "other", "batch_size": 3, "wait": False, "data_dir": tmp_path})
    assert other["run"] == first["run"]
