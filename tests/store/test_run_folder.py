"""The folder of a run: written shard by shard, resumed, finished, damaged."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from mindrec_bench.errors import DataError, MrbenchError
from mindrec_bench.io import atomic
from mindrec_bench.metrics.accuracy import hr_and_ndcg
from mindrec_bench.store.rankings import padded_codes, rankings_table
from mindrec_bench.store.run_folder import RunFolder
from mindrec_bench.store.run_spec import RunSpec
from mindrec_bench.store.runs import find_runs
from mindrec_bench.store.shards import ShardMeta

from ..summaries import make_summary

USERS = np.arange(10, 22)
USERS_PER_SHARD = 5
"""The last shard has fewer."""


def make_folder(root, spec):
    return RunFolder(spec, root)


def codes_of(users):
    """Codes that depend on the user only. Shape: (U, 2, 4)"""
    return (users[:, None, None] * np.array([[[1, 2, 3, 4], [5, 6, 7, 8]]])) % 97


RANKS = np.arange(len(USERS), dtype=np.int32) % 3
COLUMNS = {"hit_rank": RANKS, **hr_and_ndcg(RANKS), "valid": RANKS, "lost@1": RANKS / 2}

SHARDS = [USERS[start : start + USERS_PER_SHARD] for start in range(0, len(USERS), USERS_PER_SHARD)]
"""The users of each shard."""


def write_shard(run, index, seconds=0.1):
    users = SHARDS[index]
    scores = -np.arange(2.0) - users[:, None]
    table = rankings_table(users, codes_of(users), scores, np.full(len(users), 2))
    return run.write_shard(index, table, ShardMeta("cpu", 5, len(users), (seconds,), 4))


def compute(run):
    """Compute a run as the coordinator does; returns it, and the shards that had to be computed."""
    run.start()
    done = {shard.index: shard for shard in run.load_shards(device="cpu", batch_size=5)}
    new = [index for index in range(len(SHARDS)) if index not in done]
    shards = [done.get(index) or write_shard(run, index) for index in range(len(SHARDS))]
    return run.finish(shards, USERS, COLUMNS, make_summary(run.spec)), new


@pytest.fixture
def run(tmp_path, run_spec):
    return make_folder(tmp_path, run_spec)


def test_finished_run(run, run_spec):
    assert run.load_run() is None
    finished, new = compute(run)
    assert new == [0, 1, 2]
    assert sorted(path.name for path in run.path.iterdir()) == [
        "metrics.parquet", "rankings.parquet", "spec.json", "summary.json",
    ]  # fmt: skip
    loaded = run.load_run()
    assert loaded == finished
    assert (loaded.id, loaded.path, loaded.spec) == (run_spec.id, run.path, run_spec)
    assert loaded.summary == make_summary(run_spec)
    assert RunSpec.from_dict(json.loads((run.path / "spec.json").read_text())) == run_spec
    rankings = pq.read_table(run.path / "rankings.parquet", partitioning=None)
    assert (padded_codes(rankings, USERS, 2, 4) == codes_of(USERS)).all()
    metrics = pq.read_table(run.path / "metrics.parquet", partitioning=None)
    assert metrics.column_names == ["user", "hit_rank", "valid", "lost@1"], "HR and NDCG follow from the rank"
    columns = loaded.per_user()
    assert set(columns) == {"user", *COLUMNS}
    assert all(np.array_equal(columns[name], column) for name, column in {"user": USERS, **COLUMNS}.items())


@pytest.mark.parametrize("with_codes", [False, True])
def test_a_compact_run_has_all_but_the_rankings(run, tmp_path, run_spec, with_codes):
    whole, _ = compute(run)
    folder = make_folder(tmp_path / "compact", run_spec)
    stored = folder.store_compact(whole, with_codes=with_codes)
    compact = folder.load_run()
    assert compact == stored
    assert compact.summary == replace(whole.summary, lacks=("rankings",) if with_codes else ("rankings", "codes"))
    assert all(np.array_equal(compact.per_user()[name], column) for name, column in whole.per_user().items())
    if with_codes:
        assert compact.code_counts().equals(whole.code_counts())
    else:
        assert compact.code_counts() is None
    with pytest.raises(
        DataError, match=r"compact run without its rankings; repeat its command with another .*: mrbench run"
    ):
        compact.rankings(["user"])


@pytest.mark.parametrize("name", ["rankings.parquet", "metrics.parquet"])
def test_a_file_is_checked_before_it_is_read(run, name):
    finished, _ = compute(run)
    content = bytearray((run.path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (run.path / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"{name} is damaged; repeat its command, which computes it again: mrbench"):
        finished.rankings(["user"]) if name.startswith("rankings") else finished.per_user()
    (run.path / name).unlink()
    with pytest.raises(DataError, match=rf"{name} is missing or damaged; repeat its command, .*: mrbench"):
        finished.rankings(["user"]) if name.startswith("rankings") else finished.per_user()


@pytest.mark.parametrize("name", ["spec.json", "summary.json", "rankings.parquet", "metrics.parquet"])
def test_a_folder_in_place_of_a_file_is_damage_that_is_repaired(run, name, notices):
    finished, _ = compute(run)
    content = (run.path / name).read_bytes()
    (run.path / name).unlink()
    (run.path / name / "inside").mkdir(parents=True)
    assert run.load_run() is None
    assert [line for line in notices if str(run.path / name) in line]
    run.start()
    assert compute(run)[0] == finished
    assert (run.path / name).read_bytes() == content


def test_a_file_that_cannot_be_read_is_not_damage(run, monkeypatch):
    compute(run)

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("mindrec_bench.io.manifest.sha256", refuse)
    with pytest.raises(DataError, match=r"can't read .*metrics.parquet \(Permission denied\); .*; nothing was changed"):
        run.load_run()


def test_killed_run_continues_to_the_same_bytes(run, tmp_path, run_spec):
    run.start()
    write_shard(run, 1, seconds=0.2)
    _, new = compute(run)
    assert new == [0, 2]
    uninterrupted = make_folder(tmp_path / "other", run_spec)
    compute(uninterrupted)
    for name in ("rankings.parquet", "metrics.parquet", "summary.json"):
        assert (run.path / name).read_bytes() == (uninterrupted.path / name).read_bytes(), name


def test_only_the_damaged_shard_is_computed_again(run):
    run.start()
    paths = [write_shard(run, index).path for index in range(3)]
    paths[2].write_bytes(paths[2].read_bytes()[:-1])
    _, new = compute(run)
    assert new == [2]


@pytest.mark.parametrize("name", ["rankings.parquet", "metrics.parquet"])
def test_damaged_file_of_a_finished_run_is_named_and_the_run_computed_again(tmp_path, run_spec, name, notices):
    run = RunFolder(run_spec, tmp_path)
    compute(run)
    content = bytearray((run.path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (run.path / name).write_bytes(content)
    assert run.load_run() is None
    assert len(notices) == 1
    assert str(run.path / name) in notices[0]
    run.start()
    assert list(find_runs(tmp_path)) == [], "not listed while it is computed again"
    _, new = compute(run)
    assert new == [0, 1, 2]
    assert run.load_run() is not None


@pytest.mark.parametrize("kept", [[0, 1], [1, 2], [0, 0, 2], []], ids=str)
def test_missing_shards_never_make_a_finished_run(run, kept):
    run.start()
    shards = [write_shard(run, index) for index in kept]
    with pytest.raises(MrbenchError, match="do not make up its 12 users"):
        run.finish(shards, USERS, {}, make_summary(run.spec))
    assert run.load_run() is None


class FullDisk:
    """Opens files as usual, but none whose name holds `name` can be written to."""

    def __init__(self, name):
        self.name = name

    def __call__(self, path, mode):
        return open("/dev/full" if self.name in path.name else path, mode, buffering=0)


@pytest.mark.parametrize("name", ["00002-", "rankings", "metrics", "summary"])
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full_disk_leaves_whole_shards_and_the_run_continues(run, monkeypatch, name):
    with monkeypatch.context() as patch:
        patch.setattr(atomic, "open", FullDisk(name), raising=False)
        patch.setattr(atomic.os, "fsync", lambda descriptor: None)
        with pytest.raises(MrbenchError, match="disk is full"):
            compute(run)
    assert list(run.path.rglob("*.tmp")) == []
    assert run.load_run() is None
    _, new = compute(run)
    assert new == ([2] if name == "00002-" else [])
    assert run.load_run() is not None


def test_a_run_root_that_is_a_file(tmp_path, run_spec):
    (tmp_path / "runs").write_text("")
    run = make_folder(tmp_path / "runs", run_spec)
    with pytest.raises(MrbenchError, match=r"can't write .*--runs-dir"), run.lock(wait=False):
        pass
    with pytest.raises(MrbenchError, match=r"can't write .*--runs-dir"):
        run.start()


def test_unwritable_root(run, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    with pytest.raises(MrbenchError, match=r"can't write .*Permission denied"):
        run.start()
    assert not run.path.exists()


def test_second_holder_is_refused(run):
    with (
        run.lock(wait=False),
        pytest.raises(MrbenchError, match=f"is being computed by process {os.getpid()} on"),
        run.lock(wait=False),
    ):
        pass


def test_discard_deletes_a_run(run):
    compute(run)
    run.discard()
    assert run.load_run() is None
    assert not run.path.exists()
    run.discard()


def test_path(run_spec):
    assert RunFolder(run_spec, Path("runs")).path == Path("runs", "Arts", "llada", "dbs-penalty", run_spec.id)
