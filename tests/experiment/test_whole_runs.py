"""Whole runs: what is stored, and what must not change the result."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from mindrec_bench.errors import UsageError
from mindrec_bench.experiment.resolve import resolve_config
from mindrec_bench.experiment.run import RunResult
from mindrec_bench.store.runs import find_run

from .helpers import DATA, USERS, read_rankings, result_bytes


def test_stored_files_of_a_run(run, data):
    summary = run("markov", "rank-items", beam=5)
    table = read_rankings(summary)
    assert table["user"].to_pylist() == [user for user in range(USERS) for _ in range(5)]
    assert table["rank"].to_pylist() == [1, 2, 3, 4, 5] * USERS
    space = data.space(categories=True)
    items = np.array([int(item) for item in table["item"].to_pylist()])
    expected = space.to_numbers(space.item_codes[items], tuple(range(space.n_slots)))
    assert table["codes"].to_pylist() == expected.tolist()
    metrics = pq.ParquetFile(Path(summary["path"]) / "metrics.parquet").read()
    assert metrics["user"].to_pylist() == data.users.tolist()
    hits = (
        space.sid_index.item_sequences[items] == space.sid_index.item_sequences[np.repeat(data.test().targets, 5)]
    ).reshape(USERS, 5)
    for k in (1, 3, 5):
        assert summary["metrics"][f"hr@{k}"] == pytest.approx(hits[:, :k].any(axis=1).mean())
    assert ((metrics["hit_rank"].to_numpy() > 0) == hits.any(axis=1)).all()
    stored = json.loads((Path(summary["path"]) / "summary.json").read_text())
    assert {key: summary[key] for key in stored if key != "checksum"} | {"checksum": stored["checksum"]} == stored
    assert json.loads((Path(summary["path"]) / "spec.json").read_text()) == summary["spec"]


def test_keys_of_the_summary(run):
    summary = run()
    assert {"run", "path", "model", "decoder", "data", "size", "users", "metrics", "seconds"} <= set(summary)
    keys = {f"{name}@{k}" for name in ("hr", "ndcg") for k in (1, 3, 5, 10)}
    assert keys | {"entropy", "ttr", "valid"} <= set(summary["metrics"])
    assert set(summary["optimum"]) == keys
    assert (summary["model"], summary["decoder"], summary["data"], summary["size"]) == ("markov", "bs", DATA, "")
    assert summary["users"] == USERS
    assert summary["seconds"] > 0
    assert summary["timings"]["forward_passes"] == 7, "one batch, one pass per slot"
    assert 7 * USERS < summary["timings"]["states"] <= USERS * (1 + 6 * summary["spec"]["beam"])


def test_oracle_reaches_the_optimum_on_average(run):
    summary = run("oracle", "rank-items", data="arts-sim:users=500,items=50")
    standard_error = 1 / np.sqrt(500)
    for key, best in summary["optimum"].items():
        assert abs(summary["metrics"][key] - best) < 2 * standard_error, key
    assert summary["optimum"]["hr@10"] > summary["optimum"]["hr@1"] > 0.02


def test_validation_split_is_another_run_with_the_same_fit(run, trainings):
    test, valid = (run("trained", "bs", split=split) for split in ("test", "valid"))
    assert test["run"] != valid["run"]
    assert (test["spec"]["split"], valid["split"]) == ("test", "valid")
    assert valid["command"].endswith("--split valid")
    assert "--split" not in test["command"]
    assert len(trainings) == 1


def test_validation_split_has_the_last_but_one_item_as_target(run, data):
    valid = data.validation()
    summary = run("oracle", "rank-items", split="valid", beam=1)
    best = data.simulation.log_probs(valid.histories.items).argmax(axis=1)
    sids = data.space(categories=False).sid_index.item_sequences
    assert summary["metrics"]["hr@1"] == pytest.approx(np.mean(sids[best] == sids[valid.targets]))


def test_eval_users_decodes_the_first_ones_only(run, decoded):
    full, subset = run(), run(eval_users=7)
    assert decoded["users"] == USERS + 7
    assert (subset["users"], subset["eval_users"], full["eval_users"]) == (USERS, 7, None)
    assert subset["run"] != full["run"]
    first = read_rankings(full).filter(np.asarray(read_rankings(full)["user"]) < 7)
    assert read_rankings(subset).equals(first)
    assert len(pq.ParquetFile(Path(subset["path"]) / "metrics.parquet").read()) == 7


def test_users_is_part_of_the_data(run):
    unlimited, enough, fewer = run(users=None), run(users=USERS), run(users=20)
    assert unlimited["run"] == enough["run"] != fewer["run"]
    assert [summary["users_asked"] for summary in (unlimited, fewer)] == [None, 20]
    assert fewer["users"] == 20
    assert set(read_rankings(fewer)["user"].to_pylist()) == set(range(20))


@pytest.mark.parametrize("decoder", ["rank-items", "dbs-dedup"])
def test_exclude_history(run, data, decoder):
    sids = data.sids.tolist()
    n_items = Counter(map(tuple, sids))
    histories = dict(zip(data.users.tolist(), data.test().histories.items.tolist(), strict=True))

    def repeats(summary):
        """How many recommendations are items of the history, among items whose SID no other item has."""
        count = 0
        for row in read_rankings(summary).select(["user", "codes"]).to_pylist():
            history = {tuple(sids[item]) for item in histories[row["user"]] if item >= 0}
            sid = tuple(row["codes"][-4:])
            count += sid in history and n_items[sid] == 1
        return count

    assert repeats(run("pop", decoder)) > 0
    assert repeats(run("pop", decoder, exclude_history=True)) == 0


@pytest.mark.parametrize("model", ["markov", "oracle"])
@pytest.mark.parametrize(("categories", "slots"), [("none", 4), ("history", 4), ("generate", 7), ("given", 7)])
def test_categories(run, data, model, categories, slots):
    summary = run(model, "dbs-penalty", categories=categories)
    table = read_rankings(summary)
    assert {len(codes) for codes in table["codes"].to_pylist()} == {slots}
    assert summary["categories"] == categories
    assert summary["metrics"]["valid"] > 0.9, "a lifted model gives no probability to sequences that are no item"
    assert summary["slots"]["sid_codes"] == sum(data.space(categories=False).sizes)
    if categories == "given":
        true = dict(zip(data.users.tolist(), data.categories[data.test().targets].tolist(), strict=True))
        assert all(row["codes"][:3] == true[row["user"]] for row in table.select(["user", "codes"]).to_pylist())
        assert any("given categories" in note for note in summary["notes"])
    else:
        assert summary["notes"] == []


def test_items_models_rank_only_items_of_the_given_categories(run, data):
    summary = run("markov", "rank-items", categories="given")
    true = dict(zip(data.users.tolist(), data.categories[data.test().targets].tolist(), strict=True))
    for row in read_rankings(summary).select(["user", "item"]).to_pylist():
        assert data.categories[int(row["item"])].tolist() == true[row["user"]]


def test_sharding_does_not_change_the_result(run, tmp_path):
    one_shard = run("markov", "dbs-penalty")
    run.options["shard_users"] = 7
    many_shards = run("markov", "dbs-penalty", options={"runs_dir": tmp_path / "many"})
    assert many_shards["metrics"] == one_shard["metrics"]
    assert many_shards["optimum"] == one_shard["optimum"]
    columns = ["user", "rank", "codes"]
    assert read_rankings(many_shards).select(columns).equals(read_rankings(one_shard).select(columns))
    assert result_bytes(many_shards)[1] == result_bytes(one_shard)[1]


@pytest.mark.parametrize(
    ("decoder", "batch_size"),
    [
        ("bs", 1),
        pytest.param("bs", 13, marks=pytest.mark.slow),
        pytest.param("dbs-dedup", 1, marks=pytest.mark.slow),
        ("dbs-dedup", 13),
        pytest.param("dbs-penalty", 1, marks=pytest.mark.slow),
        ("dbs-penalty", 13),
        ("rank-items", 1),
        pytest.param("rank-items", 13, marks=pytest.mark.slow),
    ],
)
def test_batch_size_does_not_change_rankings_of_a_lifted_model(run, tmp_path, decoder, batch_size):
    default = run("markov", decoder, eval_users=30)
    other = run("markov", decoder, eval_users=30, options={"runs_dir": tmp_path / "other", "batch_size": batch_size})
    for column in ("user", "rank", "codes", "item"):
        assert read_rankings(other)[column].equals(read_rankings(default)[column]), column
    assert other["metrics"] == default["metrics"]
    assert np.asarray(read_rankings(other)["score"]) == pytest.approx(
        np.asarray(read_rankings(default)["score"]), abs=1e-9
    )
    assert other["timings"]["batch_size"] == batch_size


@pytest.mark.parametrize(("size", "bound"), [(0, "least 1"), (-5, "least 1"), (8193, "most 8192")])
def test_batch_size_out_of_bounds_is_refused(run, size, bound):
    with pytest.raises(UsageError, match=f"--batch-size is {size}; it must be at {bound} or 'auto'$"):
        run(options={"batch_size": size})


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"model": "markov:decay=0.5", "decoder": "dbs-penalty:variant=released", "beam": 3, "seed": 12345678},
        {"categories": "none", "users": None, "eval_users": 9},
        {"categories": "history", "users": 40, "exclude_history": True},
        {"model": "trained", "size": "small", "max_minutes": 1.2345678},
    ],
    ids=str,
)
def test_command_repeats_the_run(run, trainings, settings, monkeypatch):
    from mindrec_bench.cli.main import cli

    summary = run(**settings)
    words = shlex.split(summary["command"])
    assert words[:2] == ["mrbench", "run"]
    configs = []
    monkeypatch.setattr(
        "mindrec_bench.experiment.run.run_experiment",
        lambda config, options: configs.append(config) or RunResult(find_run(Path(summary["path"]), summary["path"])),
    )
    cli.main(words[1:], standalone_mode=False)
    resolved = resolve_config(configs[0])
    data = resolved.load_data(None)
    assert resolved.run_spec(data).id == summary["run"]


def test_stored_device_is_the_one_that_was_used(run):
    assert run(options={"device": "auto"})["environment"]["device"] == "cpu"


@pytest.mark.gpu
def test_a_gpu_gives_the_metrics_of_the_cpu(run, tmp_path):
    on_cpu = run("markov", "adaptive", options={"runs_dir": tmp_path / "cpu"})
    on_gpu = run("markov", "adaptive", options={"device": "auto"})
    assert (on_cpu["environment"]["device"], on_gpu["environment"]["device"]) == ("cpu", "cuda")
    assert on_gpu["run"] == on_cpu["run"]
    assert on_gpu["metrics"] == pytest.approx(on_cpu["metrics"], abs=1e-6)


def test_execution_options_do_not_change_the_id(run, tmp_path):
    first = run()
    other = run(options={"runs_dir": tmp_path / "other", "batch_size": 3, "wait": False, "data_dir": tmp_path})
    assert other["run"] == first["run"]
