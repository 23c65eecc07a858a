"""Processes that torchrun started: the same result as from one process, printed once."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest
from torch.distributed import TCPStore

from mindrec_bench.distributed import torchrun
from mindrec_bench.distributed.processes import VARIABLES, ProcessInfo
from mindrec_bench.errors import UsageError
from mindrec_bench.experiment.config import ExecutionOptions, ExperimentConfig
from mindrec_bench.experiment.dry_run import dry_run
from mindrec_bench.experiment.run import run_experiment
from mindrec_bench.store.runs import find_runs

DATA = "arts-sim:users=600,items=50"
"""Two shards of users."""


@pytest.mark.usefixtures("quick_processes")
def test_processes_with_the_variables_of_torchrun_give_the_result_of_one(tmp_path, monkeypatch):
    """The store is here, as it is with torchrun itself."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1])
    import worker_functions

    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    config = ExperimentConfig("markov", "bs", DATA, beam=2)
    two, one = (ExecutionOptions(runs_dir=tmp_path / name, device="cpu", quiet=True) for name in ("two", "one"))
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=worker_functions.run_with_torchrun, args=(rank, 2, store.port, config, two))
        for rank in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=100)
    assert [process.exitcode for process in processes] == [0, 0]
    expected = run_experiment(config, one).run
    (found,) = find_runs(tmp_path / "two")
    assert (found.id, found.summary.timings.processes) == (expected.id, 2)
    for name in ("rankings.parquet", "metrics.parquet"):
        assert (found.path / name).read_bytes() == (expected.path / name).read_bytes()


@pytest.mark.slow
def test_two_processes_give_the_result_of_one(tmp_path):
    torchrun_words = ("torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "mindrec_bench")
    flags = ("-m", "markov", "-d", "bs", "--data", DATA, "--beam", "2", "--device", "cpu", "--json")
    flags = (*flags, "--runs-dir", tmp_path / "two")
    done = subprocess.run(
        [sys.executable, "-m", *torchrun_words, "run", *flags],
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    two = json.loads(done.stdout)
    one = run_experiment(
        ExperimentConfig("markov", "bs", DATA, beam=2), ExecutionOptions(runs_dir=tmp_path / "one", device="cpu")
    ).run.as_dict()
    for name in ("rankings.parquet", "metrics.parquet"):
        assert Path(two["path"], name).read_bytes() == Path(one["path"], name).read_bytes()
    assert two["run"] == one["run"]
    assert (two["timings"]["processes"], one["timings"]["processes"]) == (2, 1)


@pytest.fixture
def under_torchrun(monkeypatch):
    """under_torchrun(rank, size): set the environment variables that torchrun sets."""

    def set_variables(rank, size):
        for name, value in zip(VARIABLES, (rank, size, rank, size), strict=True):
            monkeypatch.setenv(name, str(value))
        monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
        monkeypatch.setenv("MASTER_PORT", "1")

    return set_variables


def test_process_from_the_environment(under_torchrun, monkeypatch):
    assert torchrun.process_from_env() is None
    assert torchrun.is_main_process()
    under_torchrun(1, 3)
    assert torchrun.process_from_env() == ProcessInfo(1, 3, 1, 3)
    assert not torchrun.is_main_process()
    under_torchrun(0, 1)
    assert torchrun.process_from_env() is None, "the only process"
    under_torchrun(0, 3)
    assert torchrun.is_main_process()
    monkeypatch.delenv("MASTER_ADDR")
    assert torchrun.process_from_env() is None, "not started by torchrun"


@pytest.mark.parametrize(("rank", "heard"), [(0, ["warning", "error"]), (1, ["error"])])
def test_only_the_main_process_speaks(under_torchrun, notices, rank, heard):
    under_torchrun(rank, 2)
    logger = logging.getLogger("mindrec_bench.somewhere")
    with torchrun.only_main_process_speaks():
        logger.warning("warning")
        logger.error("error")
    logger.info("afterwards")
    assert notices == [*heard, "afterwards"]


@pytest.mark.parametrize("function", [run_experiment, dry_run])
def test_another_number_of_devices_is_refused(under_torchrun, tmp_path, function):
    under_torchrun(0, 3)
    with pytest.raises(UsageError, match="--devices is 2, and torchrun started 3 processes; leave it out"):
        function(ExperimentConfig("markov", "bs", DATA), ExecutionOptions(runs_dir=tmp_path, devices=2))


def test_another_number_of_training_processes_is_refused():
    group = torchrun.TorchrunGroup(ProcessInfo(0, 3, 0, 3), store=None, functions={})
    with pytest.raises(UsageError, match=r"--train-devices is 2, and torchrun started 3 processes; start 2, or"):
        group.run("train", 2)
