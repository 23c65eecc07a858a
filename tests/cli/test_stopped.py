"""Commands stopped by Ctrl-C or a signal: what they leave, and that the next one continues."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from .helpers import DATA, RUN, Interrupted, replaced, without_progress


def test_ctrl_c_exits_with_130_and_says_how_to_continue(call, register):
    register("decoder", "interrupted", Interrupted)
    code, out, err = call(*replaced(RUN, ("-d", "interrupted")))
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == "interrupted; the same command continues from what is done"
    assert "Traceback" not in err


# Signals are sent to a process that pauses before its n-th rename to a path with `part` in it, and prints "paused".

PAUSED = """
import os, signal, sys, time
from mindrec_bench.cli import main as cli

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with it ignored
part, left = sys.argv.pop(1), int(sys.argv.pop(1))
replace = os.replace

def pausing(source, target):
    global left
    left -= part in str(target)
    if part in str(target) and left == 0:
        print("paused", flush=True)
        time.sleep(120)
    replace(source, target)

os.replace = pausing
cli.main()
"""


def stop(words, part, count, with_signal):
    """Run `mrbench`, and stop it before its `count`-th rename to a path with `part` in it.

    Returns:
        Its exit code and stderr.
    """
    command = [sys.executable, "-c", PAUSED, part, str(count), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        process.send_signal(with_signal)
        _, err = process.communicate(timeout=60)
    assert line == "paused\n", err
    return process.returncode, without_progress(err)


def result_bytes(root):
    """The bytes of rankings and metrics of the only run in a run store."""
    (rankings,) = root.glob("*/*/*/*/rankings.parquet")
    return rankings.read_bytes(), rankings.with_name("metrics.parquet").read_bytes()


@pytest.mark.parametrize(
    ("part", "count", "with_signal"),
    [
        ("/shards/", 3, signal.SIGKILL),
        ("summary.json", 1, signal.SIGINT),
        pytest.param("/shards/", 3, signal.SIGINT, marks=pytest.mark.slow),
        pytest.param("metrics.parquet", 1, signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_stopped_while_decoding(call, tmp_path, part, count, with_signal):
    words = (*replaced(RUN, ("--data", "arts-sim:users=2000,items=50")), "--beam", "3")
    code, err = stop(words, part, count, with_signal)
    if with_signal == signal.SIGINT:
        assert (code, err) == (130, "interrupted; the same command continues from what is done\n")
    else:
        assert code == -signal.SIGKILL
        assert len(list(tmp_path.rglob("*.tmp"))) == 1, "killed in the middle of writing"
    assert list(tmp_path.rglob("summary.json")) == []
    shards = sorted(path.name[:5] for path in tmp_path.rglob("shards/*.parquet"))
    assert shards == [f"{index:05d}" for index in range(2 if part == "/shards/" else 4)]
    assert call(*words)[0] == 0
    assert list(tmp_path.rglob("*.tmp")) == []
    assert call(*words, "--runs-dir", "uninterrupted")[0] == 0
    assert result_bytes(tmp_path / "runs") == result_bytes(tmp_path / "uninterrupted")


@pytest.mark.parametrize(
    ("with_signal", "expected"),
    [(signal.SIGINT, 130), pytest.param(signal.SIGKILL, -signal.SIGKILL, marks=pytest.mark.slow)],
)
def test_stopped_while_training(call, tmp_path, with_signal, expected):
    words = ("run", "-m", "llada:epochs=2", "-d", "dbs-dedup", "--data", DATA, "--categories", "none", "--runs-dir")
    assert call(*words, "uninterrupted")[0] == 0
    root = tmp_path / with_signal.name
    code, err = stop((*words, root), "progress.json", 2, with_signal)
    assert code == expected
    assert "Traceback" not in err
    assert len(list(root.rglob("progress.json"))) == 1, "a whole checkpoint, and one without its last file"
    code, _, err = call(*words, str(root))
    assert code == 0
    assert "training continues at step" in err
    assert result_bytes(root) == result_bytes(tmp_path / "uninterrupted")
    assert {path.name for path in root.rglob("fit/*/*")} == {"model.json", "report.json", "weights.safetensors"}
