"""`mrbench sweep` from the command line: on processes, on a Dask cluster, interrupted and repeated."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from mindrec_bench.distributed.processes import VARIABLES
from mindrec_bench.sweep import execute

GRID = """
[run]
decoder = "dbs-dedup"
data = "arts-sim:users=40,items=50"
beam = 3
[[grid]]
model = "markov"
seed = {seeds}
categories = ["none", "generate"]
"""


@pytest.fixture
def words(tmp_path):
    """words("--jobs", "2", seeds=[0]): those of a sweep of 2 runs per seed, and 2 on the test items."""

    def write(*arguments, seeds):
        file = tmp_path / "grid.toml"
        file.write_text(GRID.format(seeds=list(seeds)), encoding="utf-8")
        return ("sweep", str(file), "--json", "-q", *arguments)

    return write


@pytest.fixture
def start_sweep(tmp_path, words):
    """start_sweep("--jobs", "2", seeds=[0]): the sweep in a process of its own."""

    def start(*arguments, seeds):
        command = [sys.executable, "-m", "mindrec_bench", *words(*arguments, seeds=seeds)]
        return subprocess.Popen(command, cwd=tmp_path, stdout=-1, stderr=-1, text=True)

    return start


def result(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return json.loads(out)


@contextmanager
def one_thread(jobs):
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.mark.usefixtures("quick_processes")
def test_local_processes_and_a_repeated_command(call, words, monkeypatch):
    code, out, err = call(*words("--jobs", "2", seeds=[0]))
    assert code == 0, err
    first = json.loads(out)
    assert [options["competed"] for options in first["chosen"]] == [1, 1]
    assert all(options["test"]["hr@10"] is not None for options in first["chosen"])
    assert not any(cell["reused"] for cell in first["cells"])
    monkeypatch.setattr(execute, "local_executor", one_thread)  # starts more quickly
    code, out, err = call(*words(seeds=[0]))
    assert code == 0, err
    second = json.loads(out)
    assert all(cell["reused"] for cell in second["cells"])
    assert second["chosen"] == first["chosen"]


def test_torchrun_is_refused(call, words, monkeypatch):
    for name, value in zip(VARIABLES, ("0", "2", "0", "2"), strict=True):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", "1")
    code, _, err = call(*words(seeds=[0]))
    assert code == 2
    assert "start it without torchrun" in err


def test_dask_needs_an_address(call, words):
    code, _, err = call(*words("--executor", "dask", seeds=[0]))
    assert code == 2
    assert "--scheduler ADDRESS go together" in err


def test_where_no_dask_scheduler_answers_only_the_error_is_printed(start_sweep):
    pytest.importorskip("distributed", reason="Dask is not installed (extra 'dask')")
    process = start_sweep("--executor", "dask", "--scheduler", "nowhere", seeds=[0])
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert "no Dask scheduler answers at nowhere" in err


@pytest.mark.slow
def test_a_killed_dask_sweep_is_finished_by_the_repeated_command(start_sweep, tmp_path):
    distributed = pytest.importorskip("distributed", reason="Dask is not installed (extra 'dask')")
    seeds = range(4)
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        arguments = ("--executor", "dask", "--scheduler", cluster.scheduler_address)
        first = start_sweep(*arguments, seeds=seeds)
        finished = wait_for(lambda: list((tmp_path / "runs").rglob("summary.json")), first)
        first.send_signal(signal.SIGKILL)
        first.communicate()
        second = result(start_sweep(*arguments, seeds=seeds))
    reused = sum(cell["reused"] for cell in second["cells"])
    assert len(finished) <= reused
    assert (len(second["cells"]), second["failed"], second["remaining"]) == (16, 0, 0)


def wait_for(find_files, process, seconds=90):
    """Wait until files are found, while the process runs."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if files := find_files():
            return files
        time.sleep(0.02)
    raise AssertionError(f"no file was found in {seconds} s, or the process ended")
