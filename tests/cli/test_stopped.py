"""Commands stopped by Ctrl-C or a signal: what they leave, and that the next one continues."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

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
from mindrec_bench.__main__ import main

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
main()
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
        ("/shards/", 3, signal.SIGTERM),
        pytest.param("/shards/", 3, signal.SIGKILL, marks=pytest.mark.slow),  # tests/store/test_shards.py kills too
        pytest.param("/shards/", 3, signal.SIGINT, marks=pytest.mark.slow),
        pytest.param("summary.json", 1, signal.SIGINT, marks=pytest.mark.slow),
        pytest.param("metrics.parquet", 1, signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_stopped_while_decoding(call, tmp_path, part, count, with_signal):
    words = (*replaced(RUN, ("--data", "arts-sim:users=1100,items=50")), "--beam", "3")
    code, err = stop(words, part, count, with_signal)
    if with_signal != signal.SIGKILL:
        assert (code, err) == (128 + with_signal, "interrupted; the same command continues from what is done\n")
    else:
        assert code == -signal.SIGKILL
        assert len(list(tmp_path.rglob("*.tmp"))) == 1, "killed in the middle of writing"
    assert list(tmp_path.rglob("summary.json")) == []
    shards = sorted(path.name[:5] for path in tmp_path.rglob("shards/*.parquet"))
    assert shards == [f"{index:05d}" for index in range(2 if part == "/shards/" else 3)]
    assert call(*words)[0] == 0
    assert list(tmp_path.rglob("*.tmp")) == []
    assert call(*words, "--runs-dir", "uninterrupted")[0] == 0
    assert result_bytes(tmp_path / "runs") == result_bytes(tmp_path / "uninterrupted")


@pytest.mark.parametrize("module", ["numpy", "mindrec_bench.cli.main", "click"])
def test_stopped_while_it_starts(module):
    """Two signals, of which the first comes in the middle of an import."""
    pausing = f"""
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
class Pausing:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(20)
sys.meta_path.insert(0, Pausing())
from mindrec_bench.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", pausing, "list"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.strip() == "interrupted; the same command continues from what is done"


SWEEP = """
[run]
data = "arts-sim:users=2000,items=50"
beam = 3
[[grid]]
model = "markov"
decoder = "dbs-penalty"
seed = [0, 1, 2, 3]
"""


def children_of(pid):
    """The processes that a process has started, and they."""
    children = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == pid:
                children.append(int(path.parent.name))
    return children + [process for child in children for process in children_of(child)]


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="finds processes in /proc")
@pytest.mark.parametrize(
    "signals",
    [
        pytest.param(("SIGTERM",), id="SIGTERM"),
        pytest.param(("SIGKILL",), id="SIGKILL", marks=pytest.mark.slow),
        pytest.param(("SIGHUP",), id="SIGHUP", marks=pytest.mark.slow),
        pytest.param(("SIGINT", "SIGINT"), id="SIGINT-SIGINT", marks=pytest.mark.slow),
    ],
)
def test_a_stopped_sweep_ends_its_workers(tmp_path, signals):
    (tmp_path / "sweep.toml").write_text(SWEEP)
    command = [sys.executable, "-m", "mindrec_bench", "sweep", "sweep.toml", "--jobs", "1"]
    group = {"cwd": tmp_path, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, process_group=0, preexec_fn=default_interrupts, **group) as process:
        deadline = time.monotonic() + 100
        while not list(tmp_path.glob("runs/*/*/*/*/shards")) and time.monotonic() < deadline:
            time.sleep(0.1)
        workers = children_of(process.pid)
        for name in signals:
            number = getattr(signal, name)
            # A terminal sends Ctrl-C to all, a scheduler the others to the command.
            os.killpg(process.pid, number) if name == "SIGINT" else process.send_signal(number)
            time.sleep(0.05)
        _, err = process.communicate(timeout=60)
    assert len(workers) >= 2, "a worker and the resource tracker"
    last = getattr(signal, signals[0])
    assert process.returncode == (-last if last == signal.SIGKILL else 128 + last), err
    assert "Traceback" not in err
    deadline = time.monotonic() + 30
    while any(map(is_running, workers)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [pid for pid in workers if is_running(pid)] == []


def default_interrupts():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup ignores it


TRAIN = ("run", "-m", "llada:epochs=3", "-d", "dbs-dedup", "--data", DATA, "--categories", "none", "--runs-dir")


def check_that_training_continues(call, tmp_path, root):
    """The same command ends with the bits of a training that was not stopped."""
    assert len(list(root.rglob("progress.json"))) == 1, "a whole checkpoint, and one without its last file"
    assert call(*TRAIN, "uninterrupted")[0] == 0
    code, _, err = call(*TRAIN, str(root))
    assert code == 0
    assert "training continues at step" in err
    assert result_bytes(root) == result_bytes(tmp_path / "uninterrupted")
    names = {"losses.csv", "model.json", "report.json", "weights.safetensors"}
    assert {path.name for path in root.rglob("fit/*/*")} == names


@pytest.mark.usefixtures("small_networks")
def test_ctrl_c_while_training(call, tmp_path, monkeypatch):
    """Before the second checkpoint is whole."""
    replace, checkpoints = os.replace, []

    def interrupted(source, target):
        if "progress.json" in str(target):
            checkpoints.append(target)
            if len(checkpoints) == 2:
                raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupted)
        code, _, err = call(*TRAIN, "runs")
    assert (code, err.splitlines()[-1]) == (130, "interrupted; the same command continues from what is done")
    check_that_training_continues(call, tmp_path, tmp_path / "runs")


@pytest.mark.slow
@pytest.mark.parametrize(("with_signal", "expected"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_stopped_while_training(call, tmp_path, with_signal, expected):
    root = tmp_path / with_signal.name
    code, err = stop((*TRAIN, root), "progress.json", 2, with_signal)
    assert code == expected
    assert "Traceback" not in err
    check_that_training_continues(call, tmp_path, root)
