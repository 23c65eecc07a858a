"""Worker processes: their results and messages, and how a failure becomes one sentence."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from mindrec_bench.distributed.launcher import launch
from mindrec_bench.errors import DataError, MrbenchError


@pytest.fixture
def worker_functions(monkeypatch):
    """The module `worker_functions`, where worker processes find it too."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1])
    import worker_functions

    yield worker_functions
    assert multiprocessing.active_children() == [], "no worker outlives the call"


@pytest.mark.parametrize("size", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_workers_run_together_and_the_result_of_rank_0_is_returned(worker_functions, size, caplog):
    caplog.set_level(logging.INFO, logger="worker_functions")
    users = []
    result = launch(worker_functions.add_up, size, (10,), progress=users.append)
    assert result == (10 + sum(range(size)), 0, torch.get_num_threads())
    records = [(record.name, record.levelname, record.getMessage()) for record in caplog.records]
    assert records == [("worker_functions", "INFO", "process 0")], "the other ranks are silent"
    assert sorted(users) == list(range(size))


@pytest.mark.usefixtures("quick_processes")
@pytest.mark.parametrize(
    ("kind", "size", "error", "words"),
    [
        (
            "killed",
            2,
            MrbenchError,
            "process 1 of 2 was killed by signal 9, as .* memory.*; the same command continues",
        ),
        ("exit", 1, MrbenchError, "process 0 of 1 ended with exit code 7; the same command continues"),
        ("bug", 2, MrbenchError, r"process 1 of 2 failed \(ZeroDivisionError: three by zero\); the same command"),
        ("data", 1, DataError, "^the data is broken; mend it"),
    ],
)
def test_failed_worker_ends_all_with_one_sentence(worker_functions, kind, size, error, words):
    """The others wait for it in a collective, and lose their connection."""
    with pytest.raises(MrbenchError, match=words) as caught:
        launch(worker_functions.fail, size, (kind, size - 1), progress=print)
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)
    if kind in ("bug", "data"):
        assert "worker_functions.py" in caught.value.__notes__[0], "--debug shows the worker's traceback"


PARENT = """
import logging
import sys
sys.path.insert(0, sys.argv[1])
import worker_functions
from mindrec_bench.distributed.launcher import launch
if __name__ == "__main__":
    logging.basicConfig(stream=sys.stdout, format="%(message)s")
    launch(worker_functions.sleep, 1, (), progress=print)
"""


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc to look for the process")
def test_workers_end_with_a_killed_parent(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    command = [sys.executable, script, Path(__file__).parents[1]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        worker = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60
    while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{worker}").exists()
