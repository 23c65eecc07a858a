"""Finding finished runs in the run store."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from mindrec_bench.errors import DataError, MrbenchError, UsageError
from mindrec_bench.io.manifest import read_manifest, write_manifest
from mindrec_bench.store.models import FittedModelFolder
from mindrec_bench.store.rankings import rankings_table
from mindrec_bench.store.run_folder import RunFolder
from mindrec_bench.store.runs import find_run, find_runs
from mindrec_bench.store.shards import ShardMeta

from ..summaries import make_summary


def store_run(run):
    """Finish a run of one user."""
    run.start()
    user, codes = np.array([10]), np.ones((1, 1, 4), dtype=np.int64)
    shard = run.write_shard(0, rankings_table(user, codes, np.zeros((1, 1)), np.ones(1)), ShardMeta("cpu", 5, 1))
    run.finish([shard], user, {"hit_rank": np.zeros(1, dtype=np.int32)}, make_summary(run.spec))


@pytest.fixture
def store(tmp_path, run_spec):
    """The root and three finished runs of a store that also has an unfinished run and a fitted model."""
    finished = [RunFolder(replace(run_spec, seed=seed), tmp_path) for seed in (1, 2, 3)]
    for run in finished:
        store_run(run)
    RunFolder(replace(run_spec, seed=4), tmp_path).start()
    fit = FittedModelFolder(run_spec, tmp_path).path
    fit.mkdir(parents=True)
    for name in ("summary.json", "spec.json"):
        (fit / name).write_text("{}")
    return tmp_path, finished


def test_find_runs_lists_finished_runs_only(store):
    root, finished = store
    runs = list(find_runs(root))
    assert sorted(run.id for run in runs) == sorted(folder.spec.id for folder in finished)
    assert {run.path for run in runs} == {folder.path for folder in finished}


def test_find_runs_leaves_out_damaged_summaries(store, notices):
    root, finished = store
    (finished[0].path / "summary.json").write_text("{")
    assert len(list(find_runs(root))) == 2
    assert str(finished[0].path) in notices[0]


def test_find_runs_of_a_missing_store_is_empty(tmp_path):
    assert list(find_runs(tmp_path / "none")) == []


@pytest.mark.parametrize("how", ["id", "upper", "prefix", "folder", "file"])
def test_find_run_by_id_prefix_or_path(store, how):
    root, (run, *_) = store
    names = {
        "id": run.spec.id,
        "upper": run.spec.id.upper(),
        "prefix": run.spec.id[:6],
        "folder": str(run.path),
        "file": str(run.path / "rankings.parquet"),
    }
    assert find_run(root, names[how]) == run.load_run()


def test_id_names_its_run_in_the_folder_of_another_run(store, monkeypatch):
    root, (run, other, _) = store
    monkeypatch.chdir(other.path)
    assert find_run(root, run.spec.id).id == run.spec.id


def test_unknown_run_lists_the_stored_ones(store):
    root, (run, *_) = store
    wrong = run.spec.id[:-1] + ("0" if run.spec.id[-1] != "0" else "1")
    with pytest.raises(UsageError, match=rf"no run '{wrong}' .*did you mean '{run.spec.id}'\?"):
        find_run(root, wrong)


@pytest.mark.parametrize("text", ["", "abc"])
def test_empty_store(tmp_path, text):
    with pytest.raises(UsageError, match=f"no run '{text}' under .*it holds no runs"):
        find_run(tmp_path, text)


def test_ambiguous_prefix_names_the_candidates(store):
    root, (run, other, _) = store
    twin = run.path.with_name(run.spec.id[:6] + "ffffff")
    twin.mkdir()
    (twin / "spec.json").write_text("{}")
    with pytest.raises(UsageError, match=rf"2 runs: .*{run.spec.id} \(Arts/llada/dbs-penalty\)") as caught:
        find_run(root, run.spec.id[:6])
    assert twin.name in str(caught.value)
    assert other.spec.id not in str(caught.value)


def test_unfinished_run(store, run_spec):
    root, _ = store
    with pytest.raises(MrbenchError, match="is not finished; repeat its command"):
        find_run(root, replace(run_spec, seed=4).id)


@pytest.mark.parametrize("name", ["summary.json", "spec.json"])
def test_the_damaged_file_is_named(store, name):
    root, (run, *_) = store
    (run.path / name).write_text("{")
    with pytest.raises(DataError, match=rf"{name} is missing or damaged; repeat the run's command"):
        find_run(root, run.spec.id)


def store_earlier_version(folder):
    """What remains of a summary of contract 1, for those who only look at its version."""
    content = {"run": folder.spec.id, "metrics": {}}
    write_manifest(folder.path / "summary.json", content, [folder.path / "spec.json"])


def test_runs_of_an_earlier_version_are_left_out_with_a_hint(store, notices):
    root, finished = store
    store_earlier_version(finished[0])
    assert len(list(find_runs(root))) == 2
    assert notices == [
        f"1 runs under {root} were stored by an earlier version and are left out; carry them over with: "
        f"mrbench migrate {root} --runs-dir NEW"
    ]


def test_a_run_of_an_earlier_version_is_refused_with_a_hint(store):
    root, finished = store
    store_earlier_version(finished[0])
    with pytest.raises(UsageError, match=f"stored by an earlier version; .* mrbench migrate {root} --runs-dir NEW"):
        find_run(root, finished[0].spec.id)


def test_a_run_of_a_later_version_is_left_out_or_refused(store, notices):
    root, (folder, *_) = store
    content = read_manifest(folder.path / "summary.json", check=())
    files = [folder.path / name for name in content.pop("files")]
    write_manifest(folder.path / "summary.json", {**content, "of_tomorrow": 1}, files)
    assert len(list(find_runs(root))) == 2
    assert notices == [f"1 runs under {root} were stored by a later version and are left out; update mindrec-bench"]
    with pytest.raises(UsageError, match="was stored by a later version; update mindrec-bench"):
        find_run(root, folder.spec.id)


def test_a_run_as_one_flat_object(store):
    _, (folder, *_) = store
    run = folder.load_run()
    values = run.as_dict()
    assert json.loads(json.dumps(values)) == values
    assert (values["run"], values["path"], values["spec"]) == (run.id, str(run.path), run.spec.as_dict())
    assert (values["beam"], values["size"], values["users"], values["seed"]) == (10, "tiny", 5000, 1)
    assert (values["model"], values["decoder"], values["data"]) == ("llada", "dbs-penalty", "arts")
