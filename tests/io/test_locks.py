"""Folder locks between two processes."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mindrec_bench.errors import MrbenchError
from mindrec_bench.io.locks import folder_lock

HOLDER = """
import sys
from pathlib import Path
from mindrec_bench.io.locks import folder_lock
with folder_lock(Path(sys.argv[1]), wait=True):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def other(tmp_path):
    """A second process that holds the lock of tmp_path/run until it reads a line."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "run")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_without_waiting_the_message_names_the_holder(tmp_path, other):
    with (
        pytest.raises(MrbenchError, match=f"process {other.pid} on .*--no-wait"),
        folder_lock(tmp_path / "run", wait=False),
    ):
        pass


def test_waits_with_a_message_until_the_other_is_done(tmp_path, other, notices, monkeypatch):
    ended = threading.Event()

    def end_other():
        ended.set()
        print(file=other.stdin, flush=True)

    timer = threading.Timer(0.3, end_other)

    class StartTimer(logging.Handler):
        def emit(self, record):
            timer.start()

    monkeypatch.setattr(logging.getLogger("mindrec_bench.io.locks"), "handlers", [StartTimer()])
    with folder_lock(tmp_path / "run", wait=True):
        assert ended.is_set(), "got the lock while the other process held it"
    timer.join()
    assert len(notices) == 1
    assert f"process {other.pid} on" in notices[0]
    assert "waiting" in notices[0]


def test_a_killed_holder_frees_the_lock(tmp_path, other):
    other.kill()
    other.wait()
    with folder_lock(tmp_path / "run", wait=False):
        assert "process" in (tmp_path / "run.holder").read_text()
    assert not (tmp_path / "run.holder").exists()


def test_an_error_inside_frees_the_lock(tmp_path):
    folder = tmp_path / "new" / "run"
    with pytest.raises(ValueError, match="inside"), folder_lock(folder, wait=False):
        raise ValueError("inside")
    with folder_lock(folder, wait=False):
        assert not folder.exists()


def test_a_file_in_the_way_is_one_sentence(tmp_path):
    (tmp_path / "runs").write_text("not a folder")
    with (
        pytest.raises(MrbenchError, match=r"can't write .*--runs-dir"),
        folder_lock(tmp_path / "runs" / "a" / "run", wait=False),
    ):
        pass
    assert [path.name for path in Path(tmp_path).iterdir()] == ["runs"]
