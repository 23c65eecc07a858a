"""Progress where stderr is a file, and on a terminal."""

from __future__ import annotations

import io
import re
import sys

import pytest

from mindrec_bench.io import progress
from mindrec_bench.io.progress import ProgressBar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test advances: clock(seconds)."""
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(ProgressBar, "_time", None, raising=False)

    def advance(seconds: float) -> None:
        now[0] += seconds

    return advance


def run(clock, **settings) -> None:
    """A hundred steps of half a second."""
    with ProgressBar(total=100, desc="training", unit="steps", **settings) as bar:
        bar._time = lambda: progress.time.monotonic()
        bar.start_t = bar.last_print_t = bar._time()
        for step in range(100):
            clock(0.5)
            bar.update()
            if step % 10 == 9:
                bar.set_postfix(valid_loss=f"{3 - step / 100:.2f}")


def test_a_file_gets_a_line_now_and_then(clock, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    run(clock)
    assert sys.stderr.getvalue().splitlines() == [
        "training: 30 of 100 steps (30%), 2.0 steps/s, 00:35 left, valid_loss=2.81",
        "training: 60 of 100 steps (60%), 2.0 steps/s, 00:20 left, valid_loss=2.51",
        "training: 90 of 100 steps (90%), 2.0 steps/s, 00:05 left, valid_loss=2.21",
        "training: 100 of 100 steps (100%) in 00:50, valid_loss=2.01",
    ]


def test_quiet_writes_nothing(clock, monkeypatch):
    for stream in (io.StringIO(), Terminal()):
        monkeypatch.setattr(sys, "stderr", stream)
        with ProgressBar(total=3, desc="x", unit="steps", disable=True) as bar:
            clock(60)
            bar.update(3)
        assert stream.getvalue() == ""


def test_a_terminal_gets_a_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("COLUMNS", "60")
    with ProgressBar(total=2, desc="decoding", unit=" users") as bar:
        bar.update(2)
    text = sys.stderr.getvalue()
    assert re.search(r"\rdecoding: 100%\|#*.*\| 2/2 ", text)
    assert max(len(part) for part in text.replace("\n", "\r").split("\r")) <= 60
