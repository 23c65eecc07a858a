"""`mrbench runs`, and `mrbench show` without a run."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from .helpers import RUN


@pytest.fixture
def run_ids(call):
    """Two finished runs, the older one first, and the folder of an unfinished one."""
    ids = [json.loads(call(*RUN, "--seed", seed, "--json")[1])["run"] for seed in ("1", "2")]
    (folder,) = Path("runs").glob(f"*/*/*/{ids[0]}")
    spec = json.loads((folder / "spec.json").read_text())
    unfinished = folder.with_name("0123456789ab")
    unfinished.mkdir()
    (unfinished / "spec.json").write_text(json.dumps({**spec, "seed": 3}))
    return [*ids, unfinished.name]


def test_runs_are_listed_filtered_and_sorted(call, run_ids):
    code, out, err = call("runs")
    assert (code, err, len(out.splitlines())) == (0, "", 4)
    listed = json.loads(call("runs", "--sort", "ndcg@10", "--json")[1])
    assert {entry["run"] for entry in listed} == set(run_ids)
    assert [entry["state"] for entry in listed] == ["done", "done", "unfinished"]
    assert "NDCG@5↑" in call("runs", "--sort", "ndcg@5")[1]
    assert [entry["run"] for entry in json.loads(call("runs", "--incomplete", "--json")[1])] == [run_ids[2]]
    assert call("runs", "--model", "pop")[0] == 2
    assert call("show")[1].splitlines()[0].split() == out.splitlines()[0].split()


def test_rm_deletes_what_is_named_and_only_if_asked(call, run_ids, monkeypatch):
    folders = {path.name for path in Path("runs").glob("*/*/bs/*") if path.is_dir()}
    assert call("runs", "rm", run_ids[0][:8], "--dry-run")[0] == 0
    monkeypatch.setattr("sys.stdin", io.StringIO())
    code, _, err = call("runs", "rm", run_ids[0])
    assert (code, "nobody answered; give --yes" in err) == (2, True)
    assert call("runs", "rm")[0] == 2
    assert call("runs", "rm", "--older-than", "1h", "--yes")[1] == "no runs\n"
    assert {path.name for path in Path("runs").glob("*/*/bs/*") if path.is_dir()} == folders == set(run_ids)
    code, out, _ = call("runs", "rm", run_ids[0], "--yes")
    assert (code, out.splitlines()[-1].split("/")[-1]) == (0, run_ids[0])
    assert call("runs", "rm", "--incomplete", "--yes")[0] == 0
    assert [entry["run"] for entry in json.loads(call("runs", "--json")[1])] == [run_ids[1]]


def test_clean_deletes_models_that_no_run_needs(call):
    model = Path("runs", "Arts", "llada", "fit", "0123456789ab")
    model.mkdir(parents=True)
    (model / "model.safetensors").write_bytes(bytes(1500))
    listed = call("runs", "clean", "--dry-run")[1]
    assert listed.split() == f"unfinished training 1.5 kB {model} 1.5 kB in all".split()
    assert model.exists()
    assert call("runs", "clean", "--yes")[1].splitlines()[-1] == "deleted 1.5 kB"
    assert list(Path("runs").rglob("*")) == []
    assert call("runs", "clean")[1] == "nothing to delete\n"


def test_options_stand_after_the_name_of_what_is_done(call):
    code, _, err = call("runs", "--data", "arts", "clean")
    assert (code, err) == (2, "mrbench: the options of `mrbench runs clean` stand after its name\n")
    assert "write hours, days or weeks" in call("runs", "rm", "--older-than", "soon")[2]
