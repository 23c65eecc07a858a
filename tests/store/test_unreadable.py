"""A run store with folders that this user may not read: each command names one, and none takes it for empty."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mindrec_bench.errors import DataError, UsageError
from mindrec_bench.interchange.migrate import migrate
from mindrec_bench.store.entries import find_entries
from mindrec_bench.store.models import FittedModelFolder
from mindrec_bench.store.removal import find_leftovers
from mindrec_bench.store.run_folder import RunFolder
from mindrec_bench.store.runs import find_run, find_runs

READS = {
    "find_runs": lambda root: list(find_runs(root)),
    "find_run": lambda root: find_run(root, "abc"),
    "find_entries": lambda root: list(find_entries(root)),
    "find_leftovers": find_leftovers,
    "migrate": lambda root: migrate(root, root.parent / "target"),
}


@pytest.fixture(params=range(5), ids=["store", "data", "model", "decoder", "run"])
def closed(request, tmp_path, run_spec, monkeypatch) -> Path:
    """A store with a run, a folder of which refuses this user (root too, who may read all) as the system would."""
    folder = RunFolder(run_spec, tmp_path / "runs")
    folder.start()
    closed = [folder.path, *folder.path.parents][4 - request.param]
    scandir, stat = os.scandir, os.stat

    def refuse(path: object, *, inside_only: bool) -> None:
        parents = Path(os.fspath(path)).parents if isinstance(path, str | Path) else ()
        if closed in parents or (not inside_only and Path(path) == closed):
            raise PermissionError(13, "Permission denied", str(path))

    def closed_scandir(path="."):
        refuse(path, inside_only=False)
        return scandir(path)

    def closed_stat(path, *arguments, **settings):
        refuse(path, inside_only=True)
        return stat(path, *arguments, **settings)

    monkeypatch.setattr(os, "scandir", closed_scandir)
    monkeypatch.setattr(os, "stat", closed_stat)
    return closed


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_folder_that_cannot_be_read_is_named(closed, read, tmp_path) -> None:
    with pytest.raises(DataError, match=r"can't read .*Permission denied.*check its permissions") as refusal:
        read(tmp_path / "runs")
    assert str(closed) in str(refusal.value)


def test_its_run_and_its_model_are_not_taken_for_missing(closed, run_spec, tmp_path) -> None:
    for look in (lambda root: RunFolder(run_spec, root).has_shards, lambda root: RunFolder(run_spec, root).load_run()):
        with pytest.raises(DataError, match="can't read"):
            look(tmp_path / "runs")


def test_a_name_that_is_too_long_is_wrong_usage(run_spec, tmp_path) -> None:
    root = tmp_path / ("x" * 300)
    for look in (
        *READS.values(),
        lambda root: RunFolder(run_spec, root).has_shards,
        lambda root: FittedModelFolder(run_spec, root).is_done(),
    ):
        with pytest.raises(UsageError, match="too long for this file system"):
            look(root)
