"""Deleting runs, and what no run needs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mindrec_bench.core.backbone import FitReport
from mindrec_bench.errors import MrbenchError
from mindrec_bench.store.models import FittedModelFolder
from mindrec_bench.store.removal import find_leftovers, remove_leftovers, remove_run
from mindrec_bench.store.run_folder import RunFolder

from .test_runs import store_run


def fitted(spec, root):
    """A fitted model of one file of 100 bytes."""
    folder = FittedModelFolder(spec, root)
    with folder.lock(wait=True):
        folder.start()
        (folder.path / "weights").write_bytes(bytes(100))
        folder.finish(FitReport(epochs=1.0, steps=1, parameters=1, seconds=1.0))
    return folder.path


def test_a_deleted_run_leaves_no_lock_and_no_empty_folder(tmp_path, run_spec):
    run, model = RunFolder(run_spec, tmp_path), fitted(run_spec, tmp_path)
    with run.lock(wait=True):
        run.start()
    remove_run(run.path)
    assert not run.path.parent.exists()
    assert model.exists(), "other runs may share it"


def test_what_no_run_needs(tmp_path, run_spec):
    run = RunFolder(run_spec, tmp_path)
    with run.lock(wait=True):
        run.start()
    needed, unneeded = fitted(run_spec, tmp_path), fitted(replace(run_spec, seed=7), tmp_path)
    empty = tmp_path / "Arts" / "markov" / "bs" / "0123456789ab"
    empty.mkdir(parents=True)
    mine = tmp_path / "a" / "b" / "fit" / "mine"
    mine.mkdir(parents=True)
    (mine / "thesis.txt").write_text("not of the run store")
    leftovers = find_leftovers(tmp_path)
    by_kind = {kind: {entry.path for entry in leftovers if entry.kind == kind} for kind in ("fitted model", "lock")}
    assert by_kind["fitted model"] == {unneeded}
    assert by_kind["lock"] == set(), "a lock goes with what it locks"
    assert {entry.path for entry in leftovers if entry.kind == "empty folder"} == {empty}
    assert sum(entry.bytes for entry in leftovers) > 100
    remove_leftovers(leftovers, tmp_path)
    assert (needed.exists(), unneeded.exists(), mine.exists()) == (True, False, True)
    assert not (tmp_path / "Arts" / "markov").exists()
    assert find_leftovers(tmp_path) == []


def test_models_are_kept_where_a_spec_cannot_be_read(tmp_path, run_spec):
    run, model = RunFolder(run_spec, tmp_path), fitted(replace(run_spec, seed=7), tmp_path)
    run.start()
    (run.path / "spec.json").write_text("{")
    assert model not in {entry.path for entry in find_leftovers(tmp_path)}


def test_what_a_process_works_on_stays(tmp_path, run_spec):
    run = RunFolder(run_spec, tmp_path)
    with run.lock(wait=True):
        run.start()
        with pytest.raises(MrbenchError, match="end that process first"):
            remove_run(run.path)
        assert find_leftovers(tmp_path) == []
    assert run.path.exists()


def test_the_model_of_a_run_that_has_begun_stays(tmp_path, run_spec):
    """Its spec is written when it decodes."""
    run, model = RunFolder(run_spec, tmp_path), fitted(run_spec, tmp_path)
    found = find_leftovers(tmp_path)
    assert [(entry.kind, entry.path) for entry in found] == [("fitted model", model)]
    with run.lock(wait=True):
        assert find_leftovers(tmp_path) == []
        remove_leftovers(found, tmp_path)
        assert model.exists(), "a run began while the user was asked"
    run_lock = run.path.with_name(f"{run.path.name}.lock")
    (model / "report.json").unlink()
    assert {entry.path: entry.kind for entry in find_leftovers(tmp_path)} == {
        model: "unfinished training", run_lock: "lock"
    }  # fmt: skip
    remove_leftovers(find_leftovers(tmp_path), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_shards_of_a_finished_run_can_go(tmp_path, run_spec):
    """A kill after the summary leaves them; a damaged run is computed again with its whole ones."""
    run = RunFolder(run_spec, tmp_path)
    store_run(run)
    shards = run.path / "shards"
    shards.mkdir()
    (shards / "00000-0123456789abcdef.parquet").write_bytes(bytes(10))
    (leftover,) = find_leftovers(tmp_path)
    assert (leftover.kind, leftover.path, leftover.bytes) == ("shards", shards, 10)
    metrics = (run.path / "metrics.parquet").read_bytes()
    (run.path / "metrics.parquet").write_bytes(b"")
    assert find_leftovers(tmp_path) == []
    (run.path / "metrics.parquet").write_bytes(metrics)
    remove_leftovers([leftover], tmp_path)
    assert (shards.exists(), run.path.exists(), find_leftovers(tmp_path)) == (False, True, [])
