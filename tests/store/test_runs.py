"""The life of a run folder: written shard by shard, resumed, finished, damaged, found again."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from mindrec_bench.errors import MrbenchError, UsageError
from mindrec_bench.io import atomic
from mindrec_bench.store.rankings import padded_codes, rankings_table
from mindrec_bench.store.run_spec import RunSpec
from mindrec_bench.store.runs import RunFolder, find_runs, resolve_run
from mindrec_bench.store.shards import ShardMeta

USERS = np.arange(10, 22)
PART = 5
"""Users a shard; the last has fewer."""


def make_folder(root, spec):
    return RunFolder(spec, root, [].append)


def codes_of(users):
    """Any codes that depend on the user only. Shape: (U, 2, 4)"""
    return (users[:, None, None] * np.array([[[1, 2, 3, 4], [5, 6, 7, 8]]])) % 97


def parts():
    return [USERS[start : start + PART] for start in range(0, len(USERS), PART)]


def write_part(run, index, seconds=0.1):
    users = parts()[index]
    scores = -np.arange(2.0) - users[:, None]
    table = rankings_table(users, codes_of(users), scores, np.full(len(users), 2))
    return run.write_shard(index, table, ShardMeta("cpu", 5, len(users), (seconds,), 4))


def compute(run):
    """What the runner does; returns the summary and the parts that had to be computed."""
    run.start()
    done = {shard.index: shard for shard in run.done_shards(device="cpu", batch_size=5)}
    new = [index for index in range(len(parts())) if index not in done]
    shards = [done.get(index) or write_part(run, index) for index in range(len(parts()))]
    columns = {"hit_rank": np.zeros(len(USERS), dtype=np.int32), "hr@1": np.zeros(len(USERS))}
    return run.finish(shards, USERS, columns, {"metrics": {"hr@1": 0.0}}), new


@pytest.fixture
def run(tmp_path, run_spec):
    return make_folder(tmp_path, run_spec)


def test_a_finished_run(run, run_spec):
    assert run.load_summary() is None
    summary, new = compute(run)
    assert new == [0, 1, 2]
    assert sorted(path.name for path in run.path.iterdir()) == [
        "metrics.parquet", "rankings.parquet", "spec.json", "summary.json",
    ]  # fmt: skip
    assert run.load_summary() == summary
    assert (summary["run"], summary["path"]) == (run_spec.id, str(run.path))
    assert summary["metrics"] == {"hr@1": 0.0}
    assert RunSpec.from_dict(summary["spec"]) == run_spec
    assert json.loads((run.path / "spec.json").read_text())["id"] == run_spec.id
    rankings = pq.read_table(run.path / "rankings.parquet", partitioning=None)
    assert (padded_codes(rankings, USERS, 2, 4) == codes_of(USERS)).all()
    metrics = pq.read_table(run.path / "metrics.parquet", partitioning=None)
    assert metrics["user"].to_pylist() == USERS.tolist()
    assert metrics.column_names == ["user", "hit_rank", "hr@1"]


def test_a_killed_run_continues_and_ends_with_the_same_bytes(run, tmp_path, run_spec):
    run.start()
    write_part(run, 1, seconds=0.2)
    _, new = compute(run)
    assert new == [0, 2]
    straight = make_folder(tmp_path / "other", run_spec)
    compute(straight)
    for name in ("rankings.parquet", "metrics.parquet", "summary.json"):
        assert (run.path / name).read_bytes() == (straight.path / name).read_bytes(), name


def test_only_the_damaged_part_is_computed_again(run):
    run.start()
    paths = [write_part(run, index).path for index in range(3)]
    paths[2].write_bytes(paths[2].read_bytes()[:-1])
    _, new = compute(run)
    assert new == [2]


@pytest.mark.parametrize("name", ["rankings.parquet", "metrics.parquet"])
def test_a_damaged_finished_file_is_named_and_the_run_computed_again(tmp_path, run_spec, name):
    notices = []
    run = RunFolder(run_spec, tmp_path, notices.append)
    compute(run)
    content = bytearray((run.path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (run.path / name).write_bytes(content)
    assert run.load_summary() is None
    assert len(notices) == 1
    assert str(run.path / name) in notices[0]
    run.start()
    assert list(find_runs(tmp_path, pytest.fail)) == [], "listed while it is computed again"
    _, new = compute(run)
    assert new == [0, 1, 2]
    assert run.load_summary() is not None


@pytest.mark.parametrize("kept", [[0, 1], [1, 2], [0, 0, 2], []], ids=str)
def test_missing_parts_never_make_a_finished_run(run, kept):
    run.start()
    shards = [write_part(run, index) for index in kept]
    with pytest.raises(MrbenchError, match="do not make up its 12 users"):
        run.finish(shards, USERS, {}, {})
    assert run.load_summary() is None


class FullDisk:
    """Opens files as usual, but those whose name holds `name` can't take a byte."""

    def __init__(self, name):
        self.name = name

    def __call__(self, path, mode):
        return open("/dev/full" if self.name in path.name else path, mode, buffering=0)


@pytest.mark.parametrize("name", ["00002-", "rankings", "metrics", "summary"])
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_leaves_whole_parts_and_the_run_continues(run, monkeypatch, name):
    with monkeypatch.context() as patch:
        patch.setattr(atomic, "open", FullDisk(name), raising=False)
        patch.setattr(atomic.os, "fsync", lambda descriptor: None)
        with pytest.raises(MrbenchError, match="disk is full"):
            compute(run)
    assert list(run.path.rglob("*.tmp")) == []
    assert run.load_summary() is None
    _, new = compute(run)
    assert new == ([2] if name == "00002-" else [])
    assert run.load_summary() is not None


def test_a_run_root_that_is_a_file(tmp_path, run_spec):
    (tmp_path / "runs").write_text("")
    run = make_folder(tmp_path / "runs", run_spec)
    with pytest.raises(MrbenchError, match=r"can't write .*--runs-dir"), run.lock(wait=False):
        pass
    with pytest.raises(MrbenchError, match=r"can't write .*--runs-dir"):
        run.start()


def test_an_unwritable_root(run, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    with pytest.raises(MrbenchError, match=r"can't write .*Permission denied"):
        run.start()
    assert not run.path.exists()


def test_a_second_holder_is_refused(run):
    with (
        run.lock(wait=False),
        pytest.raises(MrbenchError, match=f"is being computed by process {os.getpid()} on"),
        run.lock(wait=False),
    ):
        pass


def test_discard_forgets_a_run(run):
    compute(run)
    run.discard()
    assert run.load_summary() is None
    assert not run.path.exists()
    run.discard()


@pytest.fixture
def store(tmp_path, run_spec):
    """Three finished runs (two ids that start alike are very unlikely) and an unfinished one, beside a fitted model."""
    finished = [make_folder(tmp_path, replace(run_spec, seed=seed)) for seed in (1, 2, 3)]
    for run in finished:
        compute(run)
    make_folder(tmp_path, replace(run_spec, seed=4)).start()
    fit = run_spec.fit_folder(tmp_path)
    fit.mkdir(parents=True)
    for name in ("summary.json", "spec.json"):
        (fit / name).write_text("{}")
    return tmp_path, finished


def test_find_runs_lists_finished_runs_only(store):
    root, finished = store
    found = list(find_runs(root, pytest.fail))
    assert sorted(summary["run"] for summary in found) == sorted(run.spec.id for run in finished)
    assert {summary["path"] for summary in found} == {str(run.path) for run in finished}


def test_find_runs_leaves_out_damaged_summaries(store):
    root, finished = store
    (finished[0].path / "summary.json").write_text("{")
    notices = []
    assert len(list(find_runs(root, notices.append))) == 2
    assert str(finished[0].path) in notices[0]


def test_find_runs_of_no_store_is_empty(tmp_path):
    assert list(find_runs(tmp_path / "none", pytest.fail)) == []


@pytest.mark.parametrize("how", ["id", "upper", "prefix", "folder", "file"])
def test_a_run_is_named_by_id_prefix_or_path(store, how):
    root, (run, *_) = store
    names = {
        "id": run.spec.id,
        "upper": run.spec.id.upper(),
        "prefix": run.spec.id[:6],
        "folder": str(run.path),
        "file": str(run.path / "rankings.parquet"),
    }
    assert resolve_run(root, names[how]) == run.load_summary()


def test_an_id_in_a_folder_that_holds_another_run_is_still_the_id(store, monkeypatch):
    root, (run, other, _) = store
    monkeypatch.chdir(other.path)
    assert resolve_run(root, run.spec.id)["run"] == run.spec.id


def test_an_unknown_run_lists_what_is_there(store):
    root, (run, *_) = store
    wrong = run.spec.id[:-1] + ("0" if run.spec.id[-1] != "0" else "1")
    with pytest.raises(UsageError, match=rf"no run '{wrong}' .*did you mean '{run.spec.id}'\?"):
        resolve_run(root, wrong)


@pytest.mark.parametrize("text", ["", "abc"])
def test_no_runs_at_all(tmp_path, text):
    with pytest.raises(UsageError, match=f"no run '{text}' under .*it holds no runs"):
        resolve_run(tmp_path, text)


def test_an_ambiguous_prefix_names_the_candidates(store):
    root, (run, other, _) = store
    twin = run.path.with_name(run.spec.id[:6] + "ffffff")
    twin.mkdir()
    (twin / "spec.json").write_text("{}")
    with pytest.raises(UsageError, match=rf"2 runs: .*{run.spec.id} \(Arts/llada/dbs-penalty\)") as caught:
        resolve_run(root, run.spec.id[:6])
    assert twin.name in str(caught.value)
    assert other.spec.id not in str(caught.value)


def test_an_unfinished_run_says_so(store, run_spec):
    root, _ = store
    with pytest.raises(MrbenchError, match="is not finished; repeat its command"):
        resolve_run(root, replace(run_spec, seed=4).id)


def test_a_damaged_summary_says_so(store):
    root, (run, *_) = store
    (run.path / "summary.json").write_text("{")
    with pytest.raises(MrbenchError, match=r"summary\.json is damaged"):
        resolve_run(root, run.spec.id)
